package bridge

// traits are what Home Assistant is told of a quantity beside its value.
// Source: Home Assistant's device and state classes; the choices, icons among
// them, are those of Zigbee2MQTT 2, whose users would miss others.
type traits struct {
	class, state string
	category     string // config, diagnostic
	icon         string
	off          bool // the entity begins disabled
	named        bool // it has its own name beside a device class
}

const (
	measurement = "measurement"
	increasing  = "total_increasing"
	config      = "config"
	diagnostic  = "diagnostic"
)

// put writes the traits into a document.
func (t traits) put(doc map[string]any) {
	for key, v := range map[string]string{"device_class": t.class, "state_class": t.state, "entity_category": t.category, "icon": t.icon} {
		if v != "" {
			doc[key] = v
		}
	}
	if t.off {
		doc["enabled_by_default"] = false
	}
}

var numericTraits = map[string]traits{
	"ac_frequency":               {class: "frequency", state: measurement},
	"action_duration":            {class: "duration", icon: "mdi:timer"},
	"aqi":                        {class: "aqi", state: measurement},
	"battery":                    {class: "battery", state: measurement},
	"battery_voltage":            {class: "voltage", state: measurement, category: diagnostic},
	"calibration_time":           {category: config, icon: "mdi:wrench-clock"},
	"co2":                        {class: "carbon_dioxide", state: measurement},
	"comfort_humidity_max":       {class: "humidity", category: config, icon: "mdi:water-percent"},
	"comfort_humidity_min":       {class: "humidity", category: config, icon: "mdi:water-percent"},
	"comfort_temperature_max":    {class: "temperature", category: config, icon: "mdi:thermometer-high"},
	"comfort_temperature_min":    {class: "temperature", category: config, icon: "mdi:thermometer-low"},
	"cpu_temperature":            {class: "temperature", state: measurement, category: diagnostic},
	"current":                    {class: "current", state: measurement},
	"current_phase_b":            {class: "current", state: measurement},
	"current_phase_c":            {class: "current", state: measurement},
	"detection_delay":            {category: config, icon: "mdi:timer"},
	"detection_interval":         {icon: "mdi:timer"},
	"device_temperature":         {class: "temperature", state: measurement, category: diagnostic},
	"dew_point":                  {class: "temperature", state: measurement, icon: "mdi:thermometer-water", named: true},
	"distance":                   {class: "distance", state: measurement},
	"duration":                   {category: config, icon: "mdi:timer"},
	"eco2":                       {class: "volatile_organic_compounds_parts", state: measurement},
	"energy":                     {class: "energy", state: increasing},
	"external_temperature":       {class: "temperature", state: measurement, icon: "mdi:thermometer"},
	"external_temperature_input": {class: "temperature", icon: "mdi:thermometer"},
	"flow":                       {class: "volume_flow_rate", state: measurement},
	"gas":                        {class: "gas", state: increasing, icon: "mdi:meter-gas"},
	"humidity":                   {class: "humidity", state: measurement},
	"humidity_calibration":       {category: config, icon: "mdi:wrench-clock"},
	"illuminance":                {class: "illuminance", state: measurement},
	"illuminance_calibration":    {category: config, icon: "mdi:wrench-clock"},
	"linkquality":                {state: measurement, category: diagnostic, icon: "mdi:signal", off: true},
	"local_temperature":          {class: "temperature", state: measurement},
	"max_temperature":            {category: config, icon: "mdi:thermometer-high"},
	"measurement_interval":       {category: config, icon: "mdi:clock-out"},
	"measurement_poll_interval":  {category: config, icon: "mdi:clock-out"},
	"min_temperature":            {category: config, icon: "mdi:thermometer-low"},
	"motion_sensitivity":         {category: config, icon: "mdi:motion-sensor"},
	"noise":                      {class: "sound_pressure", state: measurement},
	"occupancy_sensitivity":      {category: config, icon: "mdi:motion-sensor"},
	"occupancy_timeout":          {category: config, icon: "mdi:timer"},
	"overload_protection":        {icon: "mdi:flash"},
	"pm10":                       {class: "pm10", state: measurement},
	"pm25":                       {class: "pm25", state: measurement},
	"position":                   {state: measurement, icon: "mdi:valve"},
	"power":                      {class: "power", state: measurement},
	"power_factor":               {class: "power_factor", state: measurement, category: diagnostic, off: true},
	"power_outage_count":         {state: measurement, icon: "mdi:counter", off: true},
	"power_phase_b":              {class: "power", state: measurement},
	"power_phase_c":              {class: "power", state: measurement},
	"presence_timeout":           {category: config, icon: "mdi:timer"},
	"pressure":                   {class: "atmospheric_pressure", state: measurement},
	"reporting_time":             {category: config, icon: "mdi:clock-time-one-outline"},
	"sensitivity":                {category: config, icon: "mdi:tune"},
	"soil_moisture":              {class: "moisture", state: measurement},
	"temperature":                {class: "temperature", state: measurement},
	"temperature_calibration":    {category: config, icon: "mdi:wrench-clock"},
	"temperature_offset":         {icon: "mdi:thermometer-lines"},
	"temperature_probe":          {class: "temperature", state: measurement},
	"transition":                 {category: config, icon: "mdi:transition"},
	"trigger_count":              {state: measurement, icon: "mdi:counter", off: true},
	"voc":                        {class: "volatile_organic_compounds", state: measurement},
	"voc_index":                  {state: measurement, icon: "mdi:molecule"},
	"voc_parts":                  {class: "volatile_organic_compounds_parts", state: measurement},
	"voltage":                    {class: "voltage", state: measurement},
	"voltage_phase_b":            {class: "voltage", state: measurement},
	"voltage_phase_c":            {class: "voltage", state: measurement},
	"water_consumed":             {class: "water", state: increasing},
}

// mains are what says how good the supply is rather than what is used, where
// the device is a meter of the standard clusters, which can be asked.
var mains = map[string]bool{"voltage": true, "voltage_phase_b": true, "voltage_phase_c": true, "ac_frequency": true}

// unitTraits are of every quantity in a unit, whatever it is called.
var unitTraits = map[string]traits{
	"Wh": {class: "energy", state: increasing}, "kWh": {class: "energy", state: increasing},
	"mA": {class: "current", state: measurement}, "A": {class: "current", state: measurement},
	"mW": {class: "power", state: measurement}, "W": {class: "power", state: measurement}, "kW": {class: "power", state: measurement},
}

var binaryTraits = map[string]traits{
	"activity_led_indicator": {icon: "mdi:led-on"},
	"auto_lock":              {category: config, icon: "mdi:lock"},
	"auto_off":               {icon: "mdi:flash-auto"},
	"away_mode":              {category: config, icon: "mdi:home-export-outline"},
	"battery_low":            {class: "battery", category: diagnostic},
	"button_lock":            {category: config, icon: "mdi:lock"},
	"calibration":            {category: config, icon: "mdi:progress-wrench"},
	"carbon_monoxide":        {class: "carbon_monoxide"},
	"child_lock":             {category: config, icon: "mdi:account-lock"},
	"color_sync":             {category: config, icon: "mdi:sync-circle"},
	"consumer_connected":     {class: "plug"},
	"contact":                {class: "door"},
	"eco_mode":               {category: config, icon: "mdi:leaf"},
	"flip_indicator_light":   {category: config, icon: "mdi:arrow-left-right"},
	"frost_protection":       {category: config, icon: "mdi:snowflake-thermometer"},
	"garage_door_contact":    {class: "garage_door"},
	"gas":                    {class: "gas"},
	"indicator":              {category: config, icon: "mdi:led-on"},
	"indicator_mode":         {category: config, icon: "mdi:led-on"},
	"invert_cover":           {category: config, icon: "mdi:arrow-left-right"},
	"led_disabled_night":     {category: config, icon: "mdi:led-off"},
	"led_enable":             {category: config, icon: "mdi:led-on"},
	"led_indication":         {category: config, icon: "mdi:led-on"},
	"motor_reversal":         {category: config, icon: "mdi:arrow-left-right"},
	"moving":                 {class: "moving"},
	"noise_detected":         {class: "sound"},
	"occupancy":              {class: "occupancy"},
	"power_outage_memory":    {category: config, icon: "mdi:memory"},
	"presence":               {class: "occupancy"},
	"smoke":                  {class: "smoke"},
	"sos":                    {class: "safety"},
	"tamper":                 {class: "tamper"},
	"test":                   {category: diagnostic, icon: "mdi:test-tube"},
	"trigger_indicator":      {icon: "mdi:led-on"},
	"valve_detection":        {category: config, icon: "mdi:pipe-valve"},
	"valve_state":            {class: "opening"},
	"vibration":              {class: "vibration"},
	"water_leak":             {class: "moisture"},
	"window":                 {class: "window"},
	"window_detection":       {category: config, icon: "mdi:window-open-variant"},
	"window_open":            {class: "window"},
}

// switchTraits are of switches that set something about a device.
var switchTraits = map[string]traits{
	"auto_lock":        {category: config, icon: "mdi:lock"},
	"away_mode":        {category: config, icon: "mdi:home-export-outline"},
	"indicator":        {category: config, icon: "mdi:led-on"},
	"valve_detection":  {category: config, icon: "mdi:pipe-valve"},
	"window_detection": {category: config, icon: "mdi:window-open-variant"},
}

var enumTraits = map[string]traits{
	"action":                    {icon: "mdi:gesture-double-tap"},
	"backlight_mode":            {category: config, icon: "mdi:lightbulb"},
	"color_power_on_behavior":   {category: config, icon: "mdi:palette"},
	"control_mode":              {category: config, icon: "mdi:tune"},
	"device_mode":               {category: config, icon: "mdi:tune"},
	"effect":                    {icon: "mdi:palette", off: true},
	"identify":                  {class: "identify", category: diagnostic},
	"keep_time":                 {category: config, icon: "mdi:av-timer"},
	"keypad_lockout":            {category: config, icon: "mdi:lock"},
	"melody":                    {category: config, icon: "mdi:music-note"},
	"mode":                      {category: config, icon: "mdi:tune"},
	"motion_sensitivity":        {category: config, icon: "mdi:tune"},
	"motor_direction":           {category: config, icon: "mdi:arrow-left-right"},
	"motor_state":               {category: diagnostic, icon: "mdi:state-machine"},
	"operation_mode":            {category: config, icon: "mdi:tune"},
	"power_on_behavior":         {category: config, icon: "mdi:power-settings"},
	"power_outage_memory":       {category: config, icon: "mdi:power-settings"},
	"restart":                   {class: "restart"},
	"sensitivity":               {category: config, icon: "mdi:tune"},
	"sensors_type":              {category: config, icon: "mdi:tune"},
	"status":                    {icon: "mdi:state-machine"},
	"switch_type":               {category: config, icon: "mdi:tune"},
	"temperature_display_mode":  {category: config, icon: "mdi:thermometer"},
	"temperature_sensor_select": {category: config, icon: "mdi:home-thermometer"},
	"temperature_unit":          {category: config, icon: "mdi:temperature-celsius"},
	"volume":                    {category: config, icon: "mdi: volume-high"}, // with that space, as there
}

// wholeTraits are of texts, lists and composites.
var wholeTraits = map[string]traits{
	"action":            {icon: "mdi:gesture-double-tap"},
	"level_config":      {category: diagnostic},
	"programming_mode":  {icon: "mdi:calendar-clock"},
	"schedule_settings": {category: config, icon: "mdi:calendar-clock"},
}
