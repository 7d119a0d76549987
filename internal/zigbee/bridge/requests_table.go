package bridge

import "context"

// contractEntry is how one request of Zigbee2MQTT 2 is answered: by a handler,
// or with why it is refused, so that who asks does not wait for ever.
type contractEntry struct {
	handle func(*Bridge, context.Context, request)
	refuse string
	// answer is the name of the answer's topic where it is not the request's.
	answer string
}

const (
	noCode      = "code from outside is not run here; a device without a definition is understood by its clusters"
	noTouchlink = "touchlink is not supported: the dongle's firmware does not let the appliance leave its own network for it; reset the device by hand"
)

// contract is every request below bridge/request/ that gets an answer, in lower
// case: those of Zigbee2MQTT 2.14 (types/api.ts), and our own at the end. What
// is not here gets no answer, as there. Handlers run on the goroutine of Run;
// what takes long goes through Bridge.long.
var contract map[string]contractEntry

func init() { // the handlers know the table
	contract = map[string]contractEntry{
		"permit_join":       {handle: (*Bridge).requestPermitJoin},
		"health_check":      {handle: (*Bridge).requestHealthCheck},
		"coordinator_check": {handle: (*Bridge).requestCoordinatorCheck},
		"restart":           {handle: (*Bridge).requestRestart},
		"networkmap":        {handle: (*Bridge).requestNetworkMap},
		"backup":            {handle: (*Bridge).requestBackup},
		"install_code/add":  {handle: (*Bridge).requestInstallCode},
		"options":           {handle: (*Bridge).requestOptions},

		"device/bind":                          {handle: (*Bridge).requestBind},
		"device/unbind":                        {handle: (*Bridge).requestUnbind},
		"device/binds/clear":                   {handle: (*Bridge).requestBindsClear},
		"device/configure":                     {handle: (*Bridge).requestConfigure},
		"device/remove":                        {handle: (*Bridge).requestRemove},
		"device/interview":                     {handle: (*Bridge).requestInterview},
		"device/options":                       {handle: (*Bridge).requestDeviceOptions},
		"device/rename":                        {handle: (*Bridge).requestRename},
		"device/configure_reporting":           {handle: (*Bridge).requestReportingConfigure},
		"device/reporting/configure":           {handle: (*Bridge).requestReportingConfigure},
		"device/reporting/read":                {handle: (*Bridge).requestReportingRead},
		"device/ota_update/check":              {handle: (*Bridge).requestOTACheck},
		"device/ota_update/update":             {handle: (*Bridge).requestOTAUpdate},
		"device/ota_update/schedule":           {handle: (*Bridge).requestOTAUpdate},
		"device/ota_update/unschedule":         {handle: (*Bridge).requestOTAUnschedule},
		"device/ota_update/check/downgrade":    {handle: (*Bridge).requestOTACheck, answer: "device/ota_update/check"},
		"device/ota_update/update/downgrade":   {handle: (*Bridge).requestOTAUpdate, answer: "device/ota_update/update"},
		"device/ota_update/schedule/downgrade": {handle: (*Bridge).requestOTAUpdate, answer: "device/ota_update/schedule"},
		"device/ota_update/update/abort":       {handle: (*Bridge).requestOTAAbort, answer: "device/ota_update/update"},
		"device/generate_external_definition":  {handle: (*Bridge).requestDefinition},

		"group/add":                {handle: (*Bridge).requestGroupAdd},
		"group/remove":             {handle: (*Bridge).requestGroupRemove},
		"group/rename":             {handle: (*Bridge).requestGroupRename},
		"group/options":            {handle: (*Bridge).requestGroupOptions},
		"group/members/add":        {handle: (*Bridge).requestMemberAdd},
		"group/members/remove":     {handle: (*Bridge).requestMemberRemove},
		"group/members/remove_all": {handle: (*Bridge).requestMemberRemoveAll},

		"touchlink/scan":          {refuse: noTouchlink},
		"touchlink/identify":      {handle: (*Bridge).requestIdentify},
		"touchlink/factory_reset": {refuse: noTouchlink},
		"converter/save":          {refuse: noCode},
		"converter/remove":        {refuse: noCode},
		"extension/save":          {refuse: noCode},
		"extension/remove":        {refuse: noCode},
		"action":                  {handle: (*Bridge).requestAction},

		// Ours: Zigbee2MQTT has no request for either.
		"network/energy_scan": {handle: (*Bridge).requestEnergyScan},
		"network/channel":     {handle: (*Bridge).requestChannel},
	}
}

// requestDefinition refuses to write a definition for another program, and
// requestIdentify to identify a device of another network, once it is clear
// that the request makes sense.
func (b *Bridge) requestDefinition(_ context.Context, r request) {
	if r.fields["id"] == nil {
		b.fail(r, invalid("'id' is missing"))
	} else if _, _, ok := b.target(r); ok {
		b.fail(r, refusal(noCode))
	}
}

func (b *Bridge) requestIdentify(_ context.Context, r request) {
	if r.fields["ieee_address"] == nil || r.fields["channel"] == nil {
		b.fail(r, invalid("'ieee_address' and 'channel' are needed"))
		return
	}
	b.fail(r, refusal(noTouchlink))
}
