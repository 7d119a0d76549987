// The parser of InfluxDB 2.7 alone, as tests have lines read by it. It is a
// module of its own so that the product does not depend on it.
module github.com/smartcore-ireland/hems/internal/testservers/lineparser

go 1.26.0

require github.com/influxdata/influxdb/v2 v2.7.12
