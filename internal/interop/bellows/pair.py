"""Forms a Zigbee network with bellows on the dongle of argv[1] (argv[2] is its
database), or goes on with the one there is, measures energies, lets devices in,
and says in a line each what happens, until its standard input ends. Then it
writes a backup in the open format to argv[3], if that is given."""

import asyncio
import json
import logging
import sys

import zigpy.config as config
from bellows.zigbee.application import ControllerApplication
from zigpy.types import Channels


def say(*words):
    print(*words, flush=True)


class Listener:
    def device_joined(self, device):
        say("joined", device.ieee)

    def device_initialized(self, device):
        say("initialized", device.ieee, device.manufacturer, device.model,
            *(f"{e}:{d.profile_id:04x}/{d.device_type:04x}" for e, d in device.endpoints.items() if e))

    def device_left(self, device):
        say("left", device.ieee)


async def main(path, database, backup=None):
    app = await ControllerApplication.new({
        config.CONF_DEVICE: {config.CONF_DEVICE_PATH: path, config.CONF_DEVICE_FLOW_CONTROL: "software"},
        config.CONF_DATABASE: database,
        config.CONF_NWK_BACKUP_ENABLED: False,
        config.CONF_TOPO_SCAN_ENABLED: False,
        config.CONF_OTA: {config.CONF_OTA_ENABLED: False, config.CONF_OTA_PROVIDERS: []},
    }, start_radio=False)
    app.add_listener(Listener())
    await app.startup(auto_form=True)
    network = app.state.network_info
    say("formed", f"ezsp={app._ezsp.ezsp_version}", f"pan={network.pan_id:04x}", f"channel={network.channel}",
        f"counter={network.network_key.tx_counter}", app.state.node_info.version)
    energies = await app.energy_scan(channels=Channels.ALL_CHANNELS, duration_exp=0, count=1)
    say("scanned", len(energies))
    await app.permit(60)
    say("permitted")
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await app.permit(0)
    if backup:
        made = await app.backups.create_backup(load_devices=True)
        with open(backup, "w") as f:
            json.dump(made.as_open_coordinator_json(), f)
        say("backed up")
    await app.shutdown()
    say("ended")


logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
asyncio.run(main(*sys.argv[1:4]))
