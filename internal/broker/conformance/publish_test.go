package conformance

import "testing"

var publishTales = []tale{
	{name: "QoS0", versions: "345", shows: "4: 4.3.1-1 3.3.1-2 2.3.1-5 3.3.4-1 5: 4.3.1-1 3.3.1-2 2.2.1-2 3.3.4-1", script: `
		a connect
		a sub "x" 02
		b connect
		b > 30 [ "x" () 'm' ]
		a < 30 [ "x" () 'm' ]
		b quiet
		a quiet`},
	{name: "QoS0WithDUP", versions: "345", shows: "4: 3.3.1-2 5: 3.3.1-2", script: `
		a connect
		a > 38 [ "x" () 'm' ]
		a closed 81 82`},
	{name: "QoS1", versions: "345", shows: "4: 4.3.2-2 2.3.1-6 4.3.2-1 5: 4.3.2-4 2.2.1-5 4.3.2-1 4.3.2-2", script: `
		a connect
		a sub "x" 01
		b connect
		b > 32 [ "x" 0102 () 'm' ]
		b acked 40 0102
		a < 32 [ "x" $p () 'm' ]
		a > 40 [ $p ]
		a quiet`},
	{name: "QoS1AgainIsNew", versions: "345", shows: "4: 4.3.2-2 3.3.1-3 5: 4.3.2-5 3.3.1-3", script: `
		a connect
		a sub "x" 01
		b connect
		b > 32 [ "x" 0007 () 'm' ]
		b acked 40 0007
		b > 3a [ "x" 0007 () 'm' ]
		b acked 40 0007
		a < 32 [ "x" $p () 'm' ]
		a > 40 [ $p ]
		a < 32 [ "x" $q () 'm' ]
		a > 40 [ $q ]
		a quiet`},
	{name: "QoS2", versions: "345", shows: "4: 4.3.3-1 4.3.3-2 2.3.1-6 5: 4.3.3-1 4.3.3-2 4.3.3-4 4.3.3-8 4.3.3-11 2.2.1-5", script: `
		a connect
		a sub "x" 02
		b connect
		b > 34 [ "x" 0102 () 'm' ]
		b acked 50 0102
		b > 62 [ 0102 ]
		b acked 70 0102
		a < 34 [ "x" $p () 'm' ]
		a > 50 [ $p ]
		a < 62 [ $p -/... ]
		a > 70 [ $p ]
		a quiet`},
	{name: "QoS2TwiceBeforePubrel", versions: "345", shows: "4: 4.3.3-2 5: 4.3.3-10", script: `
		a connect
		a sub "x" 01
		b connect
		b > 34 [ "x" 0001 () 'm' ]
		b acked 50 0001
		b > 3c [ "x" 0001 () 'm' ]
		b acked 50 0001
		b > 62 [ 0001 ]
		b acked 70 0001
		a < 32 [ "x" $p () 'm' ]
		a > 40 [ $p ]
		a quiet`},
	{name: "QoS2AgainAfterPubcompIsNew", versions: "345", shows: "4: 4.3.3-2 5: 4.3.3-12", script: `
		a connect
		a sub "x" 00
		b connect
		b > 34 [ "x" 0001 () '1' ]
		b acked 50 0001
		b > 62 [ 0001 ]
		b acked 70 0001
		b > 3c [ "x" 0001 () '2' ]
		b acked 50 0001
		b > 62 [ 0001 ]
		b acked 70 0001
		a < 30 [ "x" () '1' ]
		a < 30 [ "x" () '2' ]
		a quiet`},
	{name: "PubrelOfNothing", versions: "34", shows: "4: 4.3.3-2", script: `
		a connect
		a > 62 [ 0009 ]
		a < 70 [ 0009 ]`},
	{name: "PubrelOfNothing", versions: "5", shows: "5: 4.3.3-11 3.7.2-1", script: `
		a connect
		a > 62 [ 0009 ]
		a < 70 [ 0009 92 ... ]`},
	{name: "PubrecOfNothing", versions: "5", shows: "5: 3.6.2-1", script: `
		a connect
		a > 50 [ 0009 ]
		a < 62 [ 0009 92 ... ]`},
	{name: "PubackOfNothing", versions: "345", shows: "4: 4.3.2-1 5: 4.3.2-3", script: `
		a connect
		a > 40 [ 0009 ]
		a > 70 [ 0009 ]
		a quiet`},
	{name: "PubrecThatSaysNo", versions: "5", shows: "5: 4.4.0-2 4.3.3-9", script: `
		a connect
		a sub "x" 02
		b connect
		b puts 2 "x" 'm'
		a < 34 [ "x" $p () 'm' ]
		a > 50 [ $p 80 ]
		a quiet
		b puts 2 "x" 'n'
		a < 34 [ "x" .. .. () 'n' ]`},
	{name: "PubackThatSaysNo", versions: "5", shows: "5: 4.4.0-2", script: `
		a connect keep
		a sub "x" 01
		b connect
		b puts 1 "x" 'm'
		a < 32 [ "x" $p () 'm' ]
		a > 40 [ $p 97 ]
		a quiet
		a drop
		a connect keep present
		a quiet`},
	{name: "QoSIsTheLeast", versions: "345", shows: "4: 3.8.4-6 3.3.5-1 5: 3.8.4-8", script: `
		a connect
		a sub "q/0" 00
		a sub "q/1" 01
		a sub "q/2" 02
		b connect
		b puts 0 "q/0" 'm'
		b puts 1 "q/0" 'm'
		b puts 2 "q/0" 'm'
		a < 30 [ "q/0" () 'm' ]
		a < 30 [ "q/0" () 'm' ]
		a < 30 [ "q/0" () 'm' ]
		b puts 0 "q/1" 'm'
		b puts 1 "q/1" 'm'
		b puts 2 "q/1" 'm'
		a < 30 [ "q/1" () 'm' ]
		a < 32 [ "q/1" .. .. () 'm' ]
		a < 32 [ "q/1" .. .. () 'm' ]
		b puts 0 "q/2" 'm'
		b puts 1 "q/2" 'm'
		b puts 2 "q/2" 'm'
		a < 30 [ "q/2" () 'm' ]
		a < 32 [ "q/2" .. .. () 'm' ]
		a < 34 [ "q/2" .. .. () 'm' ]
		a quiet`},
	{name: "QoS3", versions: "345", shows: "4: 3.3.1-4 5: 3.3.1-4", script: `
		a connect
		a > 36 [ "x" 0001 () 'm' ]
		a closed 81`},
	{name: "IdentifierZero", versions: "345", shows: "4: 2.3.1-1 5: 2.2.1-3", script: `
		a connect
		a > 32 [ "x" 0000 () 'm' ]
		a closed 81 82
		b connect
		b > 82 [ 0000 () "x" 00 ]
		b closed 81 82
		c connect
		c > a2 [ 0000 () "x" ]
		c closed 81 82
		d connect
		d > 34 [ "x" 0000 () 'm' ]
		d closed 81 82`},
	{name: "TopicMissing", versions: "345", shows: "4: 3.3.2-1 5: 3.3.2-1", script: `
		a connect
		a > 30 00
		a closed 81
		b connect
		b > 30 02 0005
		b closed 81`},
	{name: "TopicIsNotText", versions: "345", shows: "4: 3.3.2-1 1.5.3-1 5: 3.3.2-1 1.5.4-1", script: `
		a connect
		a > 30 [ "x\xff" () 'm' ]
		a closed 81
		b connect
		b > 30 [ "\xed\xa0\x80" () 'm' ]
		b closed 81
		c connect
		c > 30 [ "\xc0\x80" () 'm' ]
		c closed 81
		d connect
		d > 30 [ "\xf4\x90\x80\x80" () 'm' ]
		d closed 81`},
	{name: "TopicWithNull", versions: "345", shows: "4: 1.5.3-2 4.7.3-2 5: 1.5.4-2 4.7.3-2", script: `
		a connect
		a > 30 [ "x\x00" () 'm' ]
		a closed 81 90`},
	{name: "TopicWithWildcards", versions: "345", shows: "4: 3.3.2-2 4.7.1-1 5: 3.3.2-2 4.7.0-1", script: `
		a connect
		a > 30 [ "x/#" () 'm' ]
		a closed 81 90
		b connect
		b > 30 [ "+/x" () 'm' ]
		b closed 81 90
		c connect
		c > 30 [ "x+" () 'm' ]
		c closed 81 90`},
	{name: "TopicEmpty", versions: "345", shows: "4: 4.7.3-1 5: 4.7.3-1", script: `
		a connect
		a > 30 [ "" () 'm' ]
		a closed 81 82 90`},
	{name: "ByteOrderMarkIsKept", versions: "345", shows: "4: 1.5.3-3 4.7.3-4 5: 1.5.4-3 4.7.3-4", script: `
		a connect
		a sub "\xef\xbb\xbfx" 00
		a sub "#" 00
		b connect
		b puts 0 "\xef\xbb\xbfx" 'm'
		a < 30 [ "\xef\xbb\xbfx" () 'm' ]
		b puts 0 "x" 'n'
		a ~ 30 [ "x" () 'n' ]`},
	{name: "PubrelFlags", versions: "345", shows: "4: 3.6.1-1 5: 3.6.1-1", script: `
		a connect
		a > 60 [ 0001 ]
		a closed 81
		b connect
		b > 63 [ 0001 ]
		b closed 81
		c connect
		c > 6e [ 0001 ]
		c closed 81`},
	{name: "AcknowledgementFlags", versions: "345", shows: "4: 2.2.2-1 2.2.2-2 5: 2.1.3-1", script: `
		a connect
		a > 41 [ 0001 ]
		a closed 81
		b connect
		b > 52 [ 0001 ]
		b closed 81
		c connect
		c > 72 [ 0001 ]
		c closed 81`},
	{name: "AcknowledgementCut", versions: "345", shows: "4: 4.8.0-1 5: 4.13.1-1", script: `
		a connect
		a > 40 01 00
		a closed 81
		b connect
		b > 62 00
		b closed 81
		c connect
		c > 50 01 00
		c closed 81`},
	{name: "InOrder", versions: "345", shows: "4: 4.6.0-5 4.6.0-6 5: 4.6.0-5 4.6.0-6", script: `
		a connect
		a sub "x" 01
		b connect
		b > 32 [ "x" 0001 () '1' ] 32 [ "x" 0002 () '2' ] 32 [ "x" 0003 () '3' ] 32 [ "x" 0004 () '4' ]
		a < 32 [ "x" .. .. () '1' ]
		a < 32 [ "x" .. .. () '2' ]
		a < 32 [ "x" .. .. () '3' ]
		a < 32 [ "x" .. .. () '4' ]
		b ~ 40 [ 0001 -/... ]
		b ~ 40 [ 0002 -/... ]
		b ~ 40 [ 0003 -/... ]
		b ~ 40 [ 0004 -/... ]`},
	{name: "IdentifiersAreNotUsedTwice", versions: "345", shows: "4: 2.3.1-4 4.3.2-1 5: 2.2.1-4 4.3.2-1 4.3.3-1", script: `
		a connect
		a sub "x" 02
		b connect
		b puts 1 "x" '1'
		b puts 2 "x" '2'
		b puts 1 "x" '3'
		a < 32 [ "x" $1 () '1' ]
		a < 34 [ "x" $2 () '2' ]
		a < 32 [ "x" $3 () '3' ]
		a differ $1 $2
		a differ $2 $3
		a differ $1 $3`},
	{name: "WhatIsNotAllowed", versions: "34", shows: "4: 3.3.5-2", script: `
		a connect
		a sub "#" 00
		b connect
		b > 32 [ "denied/x" 0001 'm' ]
		b < 40 [ 0001 ]
		b > 34 [ "denied/x" 0002 'm' ]
		b < 50 [ 0002 ]
		b > 62 [ 0002 ]
		b < 70 [ 0002 ]
		a quiet`},
	{name: "WhatIsNotAllowed", versions: "5", shows: "5: 3.4.2-1 3.5.2-1 4.3.3-9", script: `
		a connect
		a sub "#" 00
		b connect
		b > 32 [ "denied/x" 0001 () 'm' ]
		b < 40 [ 0001 87 ... ]
		b > 34 [ "denied/x" 0002 () 'm' ]
		b < 50 [ 0002 87 ... ]
		b > 30 [ "denied/x" () 'm' ]
		a quiet
		b > 34 [ "x" 0002 () 'n' ]
		b acked 50 0002
		b > 62 [ 0002 ]
		b acked 70 0002
		a < 30 [ "x" () 'n' ]`},
	{name: "TopicsOfTheBrokerItself", versions: "345", shows: "4: 3.3.5-2 5: 3.4.2-1", script: `
		a connect
		a sub "$SYS/x" 00
		b connect
		b > 32 [ "$SYS/x" 0001 () 'm' ]
		b < 40 [ 0001 -/87 -/... ]
		b > 34 [ "$SYS/x" 0002 () 'm' ]
		b < 50 [ 0002 -/87 -/... ]
		a quiet`},
	{name: "MatchesTheFilter", versions: "345", shows: "4: 3.3.2-3 4.5.0-1 5: 3.3.2-3 4.5.0-1", script: `
		a connect
		a sub "x/+" 00
		b connect
		b puts 0 "y/1" 'm'
		b puts 0 "x" 'm'
		b puts 0 "x/1/2" 'm'
		b puts 0 "x/1" 'm'
		a < 30 [ "x/1" () 'm' ]
		a quiet`},
	{name: "NoSubscriber", versions: "5", shows: "5: 3.4.2-1 3.5.2-1", script: `
		a connect
		a > 32 [ "nobody" 0001 () 'm' ]
		a < 40 [ 0001 10 ... ]
		a > 34 [ "nobody" 0002 () 'm' ]
		a < 50 [ 0002 10 ... ]`},
	{name: "LongTopic", versions: "45", shows: "4: 4.7.3-3 5: 4.7.3-3", script: `
		a connect
		a sub "t"*65535 00
		b connect
		b puts 0 "t"*65535 'm'
		a < 30 [ "t"*65535 () 'm' ]`},
	{name: "PacketsInPieces", versions: "345", shows: "4: 4.8.0-1 5: 4.13.1-1", script: `
		a connect
		a sub "x" 00
		a > 30
		sleep 20ms
		a > 04/05
		sleep 20ms
		a > 00
		sleep 20ms
		a > 01 78 -/00
		sleep 20ms
		a > 6d
		a < 30 [ "x" () 'm' ]
		a > c0
		sleep 20ms
		a > 00
		a < d0 00`},
}

func TestPublish(t *testing.T) { tell(t, publishTales) }

var retainTales = []tale{
	{name: "Kept", versions: "345", shows: "4: 3.3.1-5 3.3.1-6 3.3.1-8 5: 3.3.1-5 3.3.1-9", script: `
		a connect
		a puts 1r "x/1" 'one'
		a puts 0r "x/2" 'two'
		a puts 2r "x/3" 'three'
		b connect
		b sub "x/#" 02
		b ~ 33 [ "x/1" .. .. () 'one' ]
		b ~ 31 [ "x/2" () 'two' ]
		b ~ 35 [ "x/3" .. .. () 'three' ]
		b quiet`},
	{name: "OnlyTheLast", versions: "345", shows: "4: 3.3.1-5 3.3.1-7 5: 3.3.1-5", script: `
		a connect
		a puts 1r "x" 'old'
		a puts 0r "x" 'new'
		b connect
		b sub "x" 01
		b < 31 [ "x" () 'new' ]
		b quiet`},
	{name: "NotSetForASubscriptionThatWasThere", versions: "345", shows: "4: 3.3.1-9 5: 3.3.1-12", script: `
		b connect
		b sub "x" 01
		a connect
		a puts 1r "x" 'm'
		b < 32 [ "x" .. .. () 'm' ]
		b quiet`},
	{name: "RemovedByAnEmptyOne", versions: "345", shows: "4: 3.3.1-10 3.3.1-11 5: 3.3.1-6 3.3.1-7", script: `
		b connect
		b sub "x" 00
		a connect
		a puts 1r "x" 'm'
		a puts 1r "x"
		b < 30 [ "x" () 'm' ]
		b < 30 [ "x" () ]
		c connect
		c sub "x" 00
		c quiet`},
	{name: "NotTouchedByOthers", versions: "345", shows: "4: 3.3.1-12 5: 3.3.1-8", script: `
		a connect
		a puts 1r "x" 'kept'
		a puts 1 "x" 'news'
		a puts 1 "x"
		a puts 0 "y" 'not kept'
		b connect
		b sub "#" 00
		b < 31 [ "x" () 'kept' ]
		b quiet`},
	{name: "OutlivesTheSession", versions: "345", shows: "4: 3.1.2.7 5: 3.3.1-5", script: `
		a connect
		a puts 1r "x" 'kept'
		a leave
		sleep 50ms
		a connect
		a leave
		b connect
		b sub "x" 00
		b < 31 [ "x" () 'kept' ]`},
	{name: "OutlivesARestart", versions: "345", shows: "4: 3.1.2.7 5: 3.3.1-5", script: `
		a connect
		a puts 1r "x" (26 "k" "v") 'kept'
		a puts 1r "gone" 'm'
		a puts 1r "gone"
		restart
		b connect
		b sub "#" 01
		b < 33 [ "x" .. .. (26 "k" "v") 'kept' ]
		b quiet`},
	{name: "SentAgainForTheSameFilter", versions: "345", shows: "4: 3.8.4-3 5: 3.8.4-3 3.8.4-4", script: `
		a connect
		a puts 1r "x" 'm'
		b connect
		b sub "x" 00
		b < 31 [ "x" () 'm' ]
		b sub "x" 01
		b < 33 [ "x" $p () 'm' ]
		b > 40 [ $p ]
		a puts 1 "x" 'n'
		b < 32 [ "x" .. .. () 'n' ]
		b quiet`},
	{name: "HandlingOne", versions: "5", shows: "5: 3.3.1-10", script: `
		a connect
		a puts 1r "x" 'm'
		b connect
		b sub "x" 10
		b < 31 [ "x" () 'm' ]
		b sub "x" 10
		b quiet`},
	{name: "HandlingTwo", versions: "5", shows: "5: 3.3.1-11", script: `
		a connect
		a puts 1r "x" 'm'
		b connect
		b sub "x" 20
		b quiet`},
	{name: "AsPublished", versions: "5", shows: "5: 3.3.1-13", script: `
		b connect
		b sub "x" 08
		a connect
		a puts 1r "x" 'm'
		b < 31 [ "x" () 'm' ]
		a puts 1 "x" 'n'
		b < 30 [ "x" () 'n' ]`},
	{name: "Expired", versions: "5", shows: "5: 3.3.2-5 3.3.2-6", script: `
		a connect
		a puts 1r "x" (02 00000001) 'short'
		a puts 1r "y" (02 0000000a) 'long'
		sleep 1300ms
		b connect
		b sub "#" 00
		b < 31 [ "y" (02 00000009) 'long' ]
		b quiet`},
	{name: "ExpiryOutlivesARestart", versions: "5", shows: "5: 3.3.2-5 3.3.2-6", script: `
		a connect
		a puts 1r "x" (02 00000001) 'short'
		a puts 1r "y" (02 0000000a) 'long'
		restart
		sleep 1100ms
		b connect
		b sub "#" 00
		b < 31 [ "y" (02 000000..) 'long' ]
		b quiet`},
	{name: "NotForAFilterThatWasRefused", versions: "345", shows: "4: 3.3.1-6 5: 3.3.1-9", script: `
		a connect
		a puts 1r "shut/x" 'm'
		b > 10 [ N v c2 003c () "b" @reader ]
		b < 20 [ 00 00 (...) ]
		b > 82 [ 0001 () "shut/x" 00 ]
		b < 90 [ 0001 (...) 80 ]
		b quiet`},
}

func TestRetain(t *testing.T) { tell(t, retainTales) }
