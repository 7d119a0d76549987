package front

import (
	"crypto/tls"

	"github.com/smartcore-ireland/hems/internal/remote"
)

func onLAN(secure *tls.Config) remote.Door {
	return remote.OnLAN("Home Assistant", remote.HomeAssistant, secure, nil)
}
