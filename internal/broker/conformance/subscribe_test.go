package conformance

import "testing"

var subscribeTales = []tale{
	{name: "Suback", versions: "345", shows: "4: 3.8.4-1 3.8.4-2 2.3.1-7 3.8.4-5 5: 3.8.4-1 3.8.4-2 2.2.1-6 3.8.4-6 3.8.4-7", script: `
		a connect
		a > 82 [ 1234 () "x" 01 ]
		a < 90 [ 1234 (...) 01 ]`},
	{name: "ManyFilters", versions: "345", shows: "4: 3.8.4-4 3.8.4-5 3.9.3-1 5: 3.8.4-5 3.8.4-6 3.9.3-1", script: `
		a connect
		a > 82 [ 0001 () "x" 02 "y" 00 "z/#" 01 ]
		a < 90 [ 0001 (...) 020001 ]
		b connect
		b puts 2 "z/1" 'm'
		b puts 0 "y" 'n'
		a ~ 32 [ "z/1" .. .. () 'm' ]
		a ~ 30 [ "y" () 'n' ]`},
	{name: "SomeRefused", versions: "345", shows: "4: 3.9.3-1 3.9.3-2 3.8.4-5 5: 3.9.3-1 3.9.3-2 3.8.4-7", script: `
		a > 10 [ N v c2 003c () "a" @reader ]
		a < 20 [ 00 00 (...) ]
		a > 82 [ 0001 () "shut" 01 "open/x" 02 "#" 00 ]
		a < 90 [ 0001 (...) 800280 ]`},
	{name: "Flags", versions: "345", shows: "4: 3.8.1-1 5: 3.8.1-1", script: `
		a connect
		a > 80 [ 0001 () "x" 00 ]
		a closed 81
		b connect
		b > 83 [ 0001 () "x" 00 ]
		b closed 81
		c connect
		c > 84 [ 0001 () "x" 00 ]
		c closed 81`},
	{name: "FilterIsNotText", versions: "345", shows: "4: 3.8.3-1 1.5.3-1 5: 3.8.3-1 1.5.4-1", script: `
		a connect
		a > 82 [ 0001 () "x\xfe" 00 ]
		a closed 81
		b connect
		b > 82 [ 0001 () "\xed\xbf\xbf" 00 ]
		b closed 81`},
	{name: "FilterWithNull", versions: "345", shows: "4: 4.7.3-2 1.5.3-2 5: 4.7.3-2 1.5.4-2", script: `
		a connect
		a > 82 [ 0001 () "x\x00y" 00 ]
		a closed 81 8f`},
	{name: "FilterEmpty", versions: "345", shows: "4: 4.7.3-1 5: 4.7.3-1", script: `
		a connect
		a > 82 [ 0001 () "" 00 ]
		a closed 81 82 8f`},
	{name: "NoFilter", versions: "345", shows: "4: 3.8.3-3 5: 3.8.3-2", script: `
		a connect
		a > 82 [ 0001 () ]
		a closed 81 82`},
	{name: "FilterWithoutOptions", versions: "345", shows: "4: 3-8.3-4 5: 3.8.3-2", script: `
		a connect
		a > 82 [ 0001 () "abcd" ]
		a closed 81`},
	{name: "FilterCut", versions: "345", shows: "4: 4.8.0-1 5: 4.13.1-1", script: `
		a connect
		a > 82 [ 0001 () 0004 'abc' ]
		a closed 81`},
	{name: "QoS3", versions: "345", shows: "4: 3-8.3-4 5: 3.8.3-5", script: `
		a connect
		a > 82 [ 0001 () "x" 03 ]
		a closed 81 82`},
	{name: "ReservedBits", versions: "34", shows: "4: 3-8.3-4", script: `
		a connect
		a > 82 [ 0001 "x" 04 ]
		a closed
		b connect
		b > 82 [ 0001 "x" 80 ]
		b closed`},
	{name: "ReservedBits", versions: "5", shows: "5: 3.8.3-5", script: `
		a connect
		a > 82 [ 0001 () "x" 40 ]
		a closed 81 82
		b connect
		b > 82 [ 0001 () "x" 80 ]
		b closed 81 82
		c connect
		c > 82 [ 0001 () "x" 30 ]
		c closed 81 82`},
	{name: "Replaced", versions: "345", shows: "4: 3.8.4-3 5: 3.8.4-3", script: `
		a connect
		a sub "x" 02
		a sub "x" 00
		b connect
		b puts 1 "x" 'm'
		a < 30 [ "x" () 'm' ]
		a quiet`},
	{name: "NothingLostByReplacing", versions: "345", shows: "4: 3.8.4-3 5: 3.8.4-4", script: `
		a connect
		a sub "x" 01
		b connect
		b puts 1 "x" '1'
		a > 82 [ 0009 () "x" 01 ]
		b puts 1 "x" '2'
		a ~ 90 [ 0009 (...) 01 ]
		a ~ 32 [ "x" .. .. () '1' ]
		a ~ 32 [ "x" .. .. () '2' ]
		a quiet`},
	{name: "Overlapping", versions: "345", shows: "4: 3.3.5-1 5: 3.3.4-2", script: `
		a connect
		a sub "x/#" 00
		a sub "x/+" 02
		a sub "x/y" 01
		b connect
		b puts 2 "x/y" 'm'
		a ~ 34 [ "x/y" $p () 'm' ]
		a > 50 [ $p ]
		a ~ 62 [ $p -/... ]
		a > 70 [ $p ]`},
	{name: "HashElsewhere", versions: "345", shows: "4: 4.7.1-2 5: 4.7.1-1", script: `
		a connect
		a > 82 [ 0001 () "x#" 00 ]
		a closed 81 8f
		b connect
		b > 82 [ 0001 () "#/x" 00 ]
		b closed 81 8f
		c connect
		c > 82 [ 0001 () "x/#/y" 00 ]
		c closed 81 8f
		d connect
		d > 82 [ 0001 () "##" 00 ]
		d closed 81 8f`},
	{name: "PlusInALevel", versions: "345", shows: "4: 4.7.1-3 5: 4.7.1-2", script: `
		a connect
		a > 82 [ 0001 () "x+" 00 ]
		a closed 81 8f
		b connect
		b > 82 [ 0001 () "x/+y/z" 00 ]
		b closed 81 8f
		c connect
		c > 82 [ 0001 () "++" 00 ]
		c closed 81 8f`},
	{name: "HashMatches", versions: "345", shows: "4: 4.7.1-2 3.8.3-2 5: 4.7.1-1 3.8.3-1", script: `
		a connect
		a sub "s/t/#" 00
		b connect
		b puts 0 "s/t" '1'
		b puts 0 "s/t/u" '2'
		b puts 0 "s/t/u/v" '3'
		b puts 0 "s" '4'
		b puts 0 "s/tt" '5'
		b puts 0 "s/t/" '6'
		a < 30 [ "s/t" () '1' ]
		a < 30 [ "s/t/u" () '2' ]
		a < 30 [ "s/t/u/v" () '3' ]
		a < 30 [ "s/t/" () '6' ]
		a quiet`},
	{name: "PlusMatches", versions: "345", shows: "4: 4.7.1-3 5: 4.7.1-2", script: `
		a connect
		a sub "+/t/+" 00
		b connect
		b puts 0 "s/t/u" '1'
		b puts 0 "/t/" '2'
		b puts 0 "s/t" '3'
		b puts 0 "s/t/u/v" '4'
		a < 30 [ "s/t/u" () '1' ]
		a < 30 [ "/t/" () '2' ]
		a quiet`},
	{name: "PlusAlone", versions: "345", shows: "4: 4.7.1-3 5: 4.7.1-2", script: `
		a connect
		a sub "+" 00
		a sub "/+" 01
		b connect
		b puts 0 "s" '1'
		b puts 0 "/s" '2'
		b puts 0 "s/" '3'
		a < 30 [ "s" () '1' ]
		a < 30 [ "/s" () '2' ]
		a quiet`},
	{name: "DollarIsNotMatchedByWildcards", versions: "345", shows: "4: 4.7.2-1 5: 4.7.2-1", script: `
		a connect
		a sub "#" 00
		a sub "+/broker/uptime" 00
		a sub "+/broker/version" 00
		b connect
		b sub "$SYS/broker/#" 00
		b ~ 31 [ "$SYS/broker/version" (...) ... ]
		a quiet`},
	{name: "NoNormalisation", versions: "345", shows: "4: 4.7.3-4 5: 4.7.3-4", script: `
		a connect
		a sub "ACCOUNTS" 00
		a sub "a//b" 00
		a sub "caf\u00e9" 00
		b connect
		b puts 0 "Accounts" 'm'
		b puts 0 "a/b" 'm'
		b puts 0 "cafe\u0301" 'm'
		b puts 0 "ACCOUNTS/" 'm'
		b puts 0 " ACCOUNTS" 'm'
		b puts 0 "a//b" '1'
		b puts 0 "caf\u00e9" '2'
		a < 30 [ "a//b" () '1' ]
		a < 30 [ "caf\u00e9" () '2' ]
		a quiet`},
	{name: "NoLocal", versions: "5", shows: "5: 3.8.3-3", script: `
		a connect
		a sub "x" 06
		b connect
		b sub "x" 02
		a puts 1 "x" 'm'
		b < 32 [ "x" .. .. () 'm' ]
		a quiet
		b puts 1 "x" 'n'
		a < 32 [ "x" .. .. () 'n' ]`},
	{name: "NoLocalShared", versions: "5", shows: "5: 3.8.3-4", script: `
		a connect
		a > 82 [ 0001 () "$share/g/x" 04 ]
		a closed 82`},
	{name: "Unsuback", versions: "345", shows: "4: 3.10.4-4 3.10.4-5 2.3.1-7 5: 3.10.4-4 3.10.4-5 2.2.1-6 3.11.3-2", script: `
		a connect
		a > a2 [ 4321 () "never" ]
		a < b0 [ 4321 (...) -/11 ]`},
	{name: "Unsubscribed", versions: "345", shows: "4: 3.10.4-2 5: 3.10.4-2", script: `
		a connect
		a sub "x" 01
		a sub "y" 01
		a > a2 [ 0009 () "x" ]
		a < b0 [ 0009 (...) -/00 ]
		b connect
		b puts 1 "x" 'm'
		b puts 1 "y" 'n'
		a < 32 [ "y" .. .. () 'n' ]
		a quiet`},
	{name: "UnsubscribedManyAtOnce", versions: "345", shows: "4: 3.10.4-6 5: 3.10.4-6 3.11.3-1", script: `
		a connect
		a sub "x" 01
		a sub "y" 01
		a > a2 [ 0009 () "x" "never" "y" ]
		a < b0 [ 0009 (...) -/001100 ]
		b connect
		b puts 0 "x" 'm'
		b puts 0 "y" 'n'
		a quiet`},
	{name: "UnsubscribedByTheSameCharactersOnly", versions: "345", shows: "4: 3.10.4-1 5: 3.10.4-1", script: `
		a connect
		a sub "x/+" 00
		a > a2 [ 0009 () "x/#" "x/1" "X/+" ]
		a < b0 [ 0009 (...) -/111111 ]
		b connect
		b puts 0 "x/1" 'm'
		a < 30 [ "x/1" () 'm' ]
		a > a2 [ 000a () "x/+" ]
		a < b0 [ 000a (...) -/00 ]
		b puts 0 "x/1" 'm'
		a quiet`},
	{name: "DeliveryIsCompletedAfterUnsubscribing", versions: "345", shows: "4: 3.10.4-3 5: 3.10.4-3", script: `
		a connect
		a sub "x" 02
		b connect
		b puts 2 "x" 'm'
		a < 34 [ "x" $p () 'm' ]
		a > a2 [ 0009 () "x" ]
		a < b0 [ 0009 (...) -/00 ]
		a > 50 [ $p ]
		a < 62 [ $p -/... ]
		a > 70 [ $p ]
		a quiet`},
	{name: "UnsubscribeFlags", versions: "345", shows: "4: 3.10.1-1 5: 3.10.1-1", script: `
		a connect
		a > a0 [ 0001 () "x" ]
		a closed 81
		b connect
		b > af [ 0001 () "x" ]
		b closed 81`},
	{name: "UnsubscribeIsNotText", versions: "345", shows: "4: 3.10.3-1 5: 3.10.3-1", script: `
		a connect
		a > a2 [ 0001 () "x\xff" ]
		a closed 81
		b connect
		b > a2 [ 0001 () 0004 'abc' ]
		b closed 81`},
	{name: "UnsubscribeNothing", versions: "345", shows: "4: 3.10.3-2 5: 3.10.3-2", script: `
		a connect
		a > a2 [ 0001 () ]
		a closed 81 82`},
}

func TestSubscribe(t *testing.T) { tell(t, subscribeTales) }
