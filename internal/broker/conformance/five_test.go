package conformance

import "testing"

// fiveTales are of what only MQTT 5 has.
var fiveTales = []tale{
	{name: "PropertiesOfAMessage", versions: "5", shows: "5: 3.3.2-4 3.3.2-15 3.3.2-16 3.3.2-17 3.3.2-18 3.3.2-20 2.2.2-1", script: `
		a connect
		a sub "x" 02
		b connect
		b puts 2 "x" (01 01 , 03 "text/plain" , 08 "answer/here" , 09 0003 00ff01 , 26 "k" "1" , 26 "a" "2" , 26 "k" "3" , 26 "" "") 'm'
		a < 34 [ "x" $p (01 01 , 03 "text/plain" , 08 "answer/here" , 09 0003 00ff01 , 26 "k" "1" , 26 "a" "2" , 26 "k" "3" , 26 "" "") 'm' ]`},
	{name: "PropertiesAreNotForOlderClients", versions: "5", shows: "5: 3.3.2-17", script: `
		a > 10 [ "MQTT" 04 c2 003c "a" @ ]
		a < 20 02 00 00
		a > 82 [ 0001 "x" 00 ]
		a < 90 [ 0001 00 ]
		b connect
		b puts 1 "x" (26 "k" "1") 'm'
		a < 30 [ "x" 'm' ]`},
	{name: "SubscriptionIdentifier", versions: "5", shows: "5: 3.3.4-3 3.3.4-4", script: `
		a connect
		a sub (0b 07) "x" 00
		a sub (0b ffffff7f) "y" 00
		a sub "z" 00
		b connect
		b puts 0 "x" 'm'
		b puts 0 "y" 'm'
		b puts 0 "z" 'm'
		a < 30 [ "x" (0b 07) 'm' ]
		a < 30 [ "y" (0b ffffff7f) 'm' ]
		a < 30 [ "z" () 'm' ]`},
	{name: "SubscriptionIdentifiersOfOverlapping", versions: "5", shows: "5: 3.3.4-3 3.3.4-4", script: `
		a connect
		a sub (0b 01) "x/#" 00
		a sub (0b 02) "x/y" 00
		a sub "x/+" 00
		b connect
		b puts 0 "x/y" 'm'
		a < 30 [ "x/y" (0b 01 , 0b 02) 'm' ]
		a quiet`},
	{name: "SubscriptionIdentifierReplaced", versions: "5", shows: "5: 3.3.4-3 3.8.4-3", script: `
		a connect
		a sub (0b 01) "x" 00
		a sub (0b 02) "x" 00
		b connect
		b puts 0 "x" 'm'
		a < 30 [ "x" (0b 02) 'm' ]
		a sub "x" 00
		b puts 0 "x" 'm'
		a < 30 [ "x" () 'm' ]`},
	{name: "SubscriptionIdentifierOfRetained", versions: "5", shows: "5: 3.3.4-3", script: `
		b connect
		b puts 1r "x" 'm'
		a connect
		a sub (0b 05) "x" 00
		a < 31 [ "x" (0b 05) 'm' ]`},
	{name: "SubscriptionIdentifierOverAReconnect", versions: "5", shows: "5: 3.3.4-3 3.1.2-5", script: `
		a connect keep
		a sub (0b 05) "x" 01
		a drop
		sleep 50ms
		b connect
		b puts 1 "x" 'm'
		a connect keep present
		a < 32 [ "x" $p (0b 05) 'm' ]
		a > 40 [ $p ]
		restart
		a connect keep present
		b connect
		b puts 1 "x" 'n'
		a < 32 [ "x" .. .. (0b 05) 'n' ]`},
	{name: "SubscriptionIdentifierZero", versions: "5", shows: "5: 4.13.1-1", script: `
		a connect
		a > 82 [ 0001 (0b 00) "x" 00 ]
		a closed 82
		b connect
		b > 82 [ 0001 (0b 01 , 0b 02) "x" 00 ]
		b closed 82`},
	{name: "SubscriptionIdentifierFromAClient", versions: "5", shows: "5: 3.3.4-6", script: `
		a connect
		a > 30 [ "x" (0b 01) 'm' ]
		a closed 82`},
	{name: "TopicAliasFromTheClient", versions: "5", shows: "5: 3.3.2-12 3.3.2-7", script: `
		a connect
		a sub "#" 00
		b connect ... 22 ...
		b > 30 [ "x" (23 0001) '1' ]
		b > 30 [ "" (23 0001) '2' ]
		b > 30 [ "y" (23 0001) '3' ]
		b > 30 [ "" (23 0001) '4' ]
		a < 30 [ "x" () '1' ]
		a < 30 [ "x" () '2' ]
		a < 30 [ "y" () '3' ]
		a < 30 [ "y" () '4' ]
		b drop
		b connect
		b > 30 [ "" (23 0001) '5' ]
		b closed 82
		a quiet`},
	{name: "TopicAliasUnknown", versions: "5", shows: "5: 3.3.2-7 4.13.1-1", script: `
		a connect
		a > 30 [ "" (23 0003) 'm' ]
		a closed 82`},
	{name: "TopicAliasZero", versions: "5", shows: "5: 3.3.2-8", script: `
		a connect
		a > 30 [ "x" (23 0000) 'm' ]
		a closed 94`},
	{name: "TopicAliasTooLarge", versions: "5", shows: "5: 3.3.2-9 3.2.2-17", script: `
		a connect
		a > 30 [ "x" (23 ffff) 'm' ]
		a closed 94`},
	{name: "TopicAliasToTheClient", versions: "5", shows: "5: 3.1.2-26 3.3.2-11", script: `
		a connect (22 0001)
		a sub "#" 00
		b connect
		b puts 0 "some/long/topic" '1'
		b puts 0 "some/long/topic" '2'
		b puts 0 "another" '3'
		b puts 0 "some/long/topic" '4'
		a < 30 [ "some/long/topic" (23 0001) '1' ]
		a < 30 [ "" (23 0001) '2' ]
		a < 30 [ "another" () '3' ]
		a < 30 [ "" (23 0001) '4' ]`},
	{name: "TopicAliasNotAskedFor", versions: "5", shows: "5: 3.1.2-27", script: `
		a connect
		a sub "#" 00
		b connect (22 0000)
		b sub "#" 00
		c connect
		c puts 0 "some/long/topic" '1'
		c puts 0 "some/long/topic" '2'
		a < 30 [ "some/long/topic" () '1' ]
		a < 30 [ "some/long/topic" () '2' ]
		b < 30 [ "some/long/topic" () '1' ]
		b < 30 [ "some/long/topic" () '2' ]`},
	{name: "ReceiveMaximumOfTheClient", versions: "5", shows: "5: 3.3.4-9 4.9.0-1 4.9.0-2 4.9.0-3 3.3.4-10", script: `
		a connect (21 0002)
		a sub "x" 01
		b connect
		b puts 1 "x" '1'
		b puts 1 "x" '2'
		b puts 1 "x" '3'
		b puts 0 "x" '0'
		b puts 1 "x" '4'
		a ~ 32 [ "x" $1 () '1' ]
		a ~ 32 [ "x" $2 () '2' ]
		a ~ 30 [ "x" () '0' ]
		a quiet
		a > 40 [ $1 ]
		a < 32 [ "x" $3 () '3' ]
		a quiet
		a > 40 [ $2 ]
		a < 32 [ "x" $4 () '4' ]
		a > 40 [ $3 ] 40 [ $4 ]
		a quiet`},
	{name: "ReceiveMaximumAndQoS2", versions: "5", shows: "5: 3.3.4-9 4.9.0-2", script: `
		a connect (21 0001)
		a sub "x" 02
		b connect
		b puts 2 "x" '1'
		b puts 2 "x" '2'
		a < 34 [ "x" $1 () '1' ]
		a quiet
		a > 50 [ $1 ]
		a < 62 [ $1 ... ]
		a quiet
		a > 70 [ $1 ]
		a < 34 [ "x" $2 () '2' ]
		a > 50 [ $2 80 ]
		b puts 1 "x" '3'
		a < 32 [ "x" .. .. () '3' ]`},
	{name: "ReceiveMaximumAfterReconnecting", versions: "5", shows: "5: 4.9.0-1 4.4.0-1", script: `
		a connect keep (21 0002)
		a sub "x" 01
		b connect
		b puts 1 "x" '1'
		b puts 1 "x" '2'
		b puts 1 "x" '3'
		a < 32 [ "x" $1 () '1' ]
		a < 32 [ "x" $2 () '2' ]
		a drop
		a connect keep present (21 0001)
		a < 3a [ "x" $1 () '1' ]
		a quiet
		a > 40 [ $1 ]
		a < 3a [ "x" $2 () '2' ]
		a > 40 [ $2 ]
		a < 32 [ "x" .. .. () '3' ]`},
	{name: "ReceiveMaximumZero", versions: "5", shows: "5: 4.9.0-1 4.13.1-1", script: `
		a > 10 [ N v c2 003c (21 0000) "a" @ ]
		a ends`},
	{name: "MaximumPacketSizeOfTheClient", versions: "5", shows: "5: 3.1.2-24 3.1.2-25", script: `
		a connect keep (27 00000064)
		a sub "x" 01
		b connect
		b puts 1 "x" 'm'*200
		b puts 1 "x" 'small'
		a < 32 [ "x" $p () 'small' ]
		a > 40 [ $p ]
		a drop
		a connect keep present (27 00000064)
		a quiet`},
	{name: "MaximumPacketSizeAndReceiveMaximum", versions: "5", shows: "5: 3.1.2-25 4.9.0-2", script: `
		a connect (27 00000064 , 21 0001)
		a sub "x" 01
		b connect
		b puts 1 "x" 'm'*200
		b puts 1 "x" 'm'*200
		b puts 1 "x" 'small'
		a < 32 [ "x" $p () 'small' ]`},
	{name: "MaximumPacketSizeZero", versions: "5", shows: "5: 4.13.1-1", script: `
		a > 10 [ N v c2 003c (27 00000000) "a" @ ]
		a ends`},
	{name: "SmallPacketsOnly", versions: "5", shows: "5: 3.1.2-24 3.14.2-2 3.2.2-19 3.2.2-20 3.4.2-2 3.4.2-3 3.5.2-2 3.5.2-3 3.7.2-2 3.7.2-3 3.9.2-1 3.9.2-2 3.11.2-1 3.11.2-2 3.6.2-2 3.6.2-3 3.14.2-3 3.14.2-4", script: `
		a connect (27 00000028)
		a > 32 [ "denied/x" 0001 (26 "a long key of the publisher" "v") 'm' ]
		a < 40 [ 0001 87 ]
		a > 34 [ "denied/x" 0002 (26 "a long key of the publisher" "v") 'm' ]
		a < 50 [ 0002 87 ]
		a > 62 [ 0002 ]
		a < 70 [ 0002 92 ]
		a > 82 [ 0003 (26 "a long key of the subscriber" "v") "x" 00 ]
		a < 90 [ 0003 () 00 ]
		a > a2 [ 0004 (26 "a long key of the subscriber" "v") "x" ]
		a < b0 [ 0004 () 00 ]
		a > 36 [ "x" 0005 () ]
		a < e0 [ 81 ... ]
		a closed silent`},
	{name: "NoProblemInformation", versions: "5", shows: "5: 3.1.2-29", script: `
		a connect (17 00)
		a > 32 [ "denied/x" 0001 () 'm' ]
		a < 40 [ 0001 87 ]
		a > 34 [ "denied/x" 0002 () 'm' ]
		a < 50 [ 0002 87 ]
		a > 62 [ 0002 ]
		a < 70 [ 0002 92 ]
		a > 82 [ 0003 () "$share/x" 00 ]
		a ~ e0 [ 8f ... ]`},
	{name: "ResponseInformation", versions: "5", shows: "5: 3.1.2-28", script: `
		a > 10 [ N v c2 003c (19 00) "a" @ ]
		a < 20 [ 00 00 (...) ]
		a quiet`},
	{name: "UserPropertiesAreNotEchoed", versions: "5", shows: "5: 3.4.2-1 3.5.2-1", script: `
		a connect
		a > 32 [ "nobody" 0001 (26 "k" "v") 'm' ]
		a < 40 [ 0001 10 ]
		a > 34 [ "nobody" 0002 (26 "k" "v") 'm' ]
		a < 50 [ 0002 10 ]
		a > 62 [ 0002 00 (26 "k" "v") ]
		a < 70 [ 0002 ]
		a > 82 [ 0003 (26 "k" "v") "x" 00 ]
		a < 90 [ 0003 () 00 ]`},
	{name: "ServersCapabilities", versions: "5", shows: "5: 3.2.2-9 3.2.2-1", script: `
		a connect ... 22 ... , 21 ...
		a sub "q" 02
		a puts 2 "q" 'm'
		a < 34 [ "q" .. .. () 'm' ]`},
	{name: "Authentication", versions: "5", shows: "5: 4.12.0-1 4.12.0-4 3.1.2-30", script: `
		a > 10 [ N v c2 003c (15 "SCRAM-SHA-1") "a" @ ]
		a refused 8c
		b > 10 [ N v c2 003c (15 "SCRAM-SHA-1" , 16 "data") "b" @ ]
		b refused 8c
		c > 10 [ N v c2 003c (16 "data") "c" @ ]
		c ends`},
	{name: "AuthenticationNotAskedFor", versions: "5", shows: "5: 4.12.0-6 4.12.0-7 4.13.1-1", script: `
		a > 10 [ N v c2 003c () "a" @ ]
		a < 20 [ 00 00 (...) ]
		a > f0 [ 19 (15 "SCRAM-SHA-1") ]
		a closed 82
		b connect
		b > f0 00
		b closed 82
		c > f0 [ 18 () ]
		c closed silent`},
	{name: "AuthFlags", versions: "5", shows: "5: 3.15.1-1", script: `
		a connect
		a > f1 [ 18 () ]
		a closed 81 82`},
	{name: "DisconnectOfAnUnknownReason", versions: "5", shows: "5: 3.14.2-1", script: `
		b connect
		b sub "w" 00
		a > 10 [ N v c6 003c () "a" () "w" "gone" @ ]
		a < 20 [ 00 00 (...) ]
		a > e0 [ 03 () ]
		a closed
		b < 30 [ "w" () 'gone' ]`},
	{name: "PropertyTwice", versions: "5", shows: "5: 4.13.1-1", script: `
		a connect
		a > 30 [ "x" (01 00 , 01 00) 'm' ]
		a closed 82
		b connect
		b > 30 [ "x" (08 "y" , 08 "y") 'm' ]
		b closed 82
		c > 10 [ N v c2 003c (11 00000001 , 11 00000001) "c" @ ]
		c ends
		d connect
		d > 30 [ "x" (02 00000001 , 02 00000001) 'm' ]
		d closed 82
		e connect
		e > e0 [ 00 (11 00000001 , 11 00000001) ]
		e closed 82`},
	{name: "PropertyOfAnotherPacket", versions: "5", shows: "5: 4.13.1-1", script: `
		a connect
		a > 30 [ "x" (11 00000001) 'm' ]
		a closed 81 82
		b connect
		b > 82 [ 0001 (01 00) "x" 00 ]
		b closed 81 82
		c > 10 [ N v c2 003c (0b 01) "c" @ ]
		c ends
		d connect
		d > a2 [ 0001 (0b 01) "x" ]
		d closed 81 82
		e connect
		e > 62 [ 0001 00 (11 00000001) ]
		e closed 81 82`},
	{name: "PropertyUnknown", versions: "5", shows: "5: 4.13.1-1", script: `
		a connect
		a > 30 [ "x" (04 00) 'm' ]
		a closed 81 82
		b connect
		b > 30 [ "x" (7f 00) 'm' ]
		b closed 81 82`},
	{name: "PropertyCut", versions: "5", shows: "5: 4.13.1-1 2.2.2-1", script: `
		a connect
		a > 30 [ "x" ff7f ]
		a closed 81
		b connect
		b > 30 [ "x" 02 0200 ]
		b closed 81
		c connect
		c > 30 [ "x" 03 080009 ]
		c closed 81
		d connect
		d > 30 [ "x" ]
		d closed 81
		e connect
		e > 82 [ 0001 05 0b ]
		e closed 81`},
	{name: "PropertyOutOfRange", versions: "5", shows: "5: 4.13.1-1", script: `
		a connect
		a > 30 [ "x" (01 02) 'm' ]
		a closed 81 82
		b > 10 [ N v c2 003c (17 02) "b" @ ]
		b ends
		c > 10 [ N v c2 003c (19 02) "c" @ ]
		c ends`},
	{name: "TextInProperties", versions: "5", shows: "5: 1.5.7-1 3.3.2-13 3.3.2-19 1.5.4-1 1.5.4-2", script: `
		a connect
		a > 30 [ "x" (26 "k\xff" "v") 'm' ]
		a closed 81
		b connect
		b > 30 [ "x" (26 "k" "v\x00") 'm' ]
		b closed 81
		c connect
		c > 30 [ "x" (08 "y\xff") 'm' ]
		c closed 81
		d connect
		d > 30 [ "x" (03 "y\xff") 'm' ]
		d closed 81`},
	{name: "ResponseTopicWithWildcards", versions: "5", shows: "5: 3.3.2-14", script: `
		a connect
		a > 30 [ "x" (08 "y/#") 'm' ]
		a closed 81 82 90`},
	{name: "LengthsOfManyBytes", versions: "5", shows: "5: 1.5.5-1", script: `
		a connect
		a > 30 ffffffff01
		a closed 81
		b connect
		b > 30 [ "x" ffffffff01 ]
		b closed 81`},
	{name: "AnswerOnAnotherTopic", versions: "5", shows: "5: 3.3.2-15 3.3.2-16", script: `
		a connect
		a sub "ask" 01
		b connect
		b sub "answers/b" 01
		b puts 1 "ask" (08 "answers/b" , 09 0002 0001) 'what'
		a < 32 [ "ask" $p (08 "answers/b" , 09 0002 0001) 'what' ]
		a > 40 [ $p ]
		a puts 1 "answers/b" (09 0002 0001) 'that'
		b < 32 [ "answers/b" .. .. (09 0002 0001) 'that' ]`},
	{name: "PasswordWithoutUserName", versions: "5", shows: "5: 3.1.2-19 3.1.4-2", script: `
		a > 10 [ N v 42 003c () "a" "p" ]
		a ends`},
}

func TestFive(t *testing.T) { tell(t, fiveTales) }

var sharedTales = []tale{
	{name: "OneOfThem", versions: "5", shows: "5: 4.8.2-1 4.8.2-2", script: `
		a connect
		a sub "$share/g/x/+" 00
		b connect
		b puts 0 "x/1" '1'
		a < 30 [ "x/1" () '1' ]
		c connect
		c sub "x/1" 00
		b puts 0 "x/1" '2'
		a < 30 [ "x/1" () '2' ]
		c < 30 [ "x/1" () '2' ]`},
	{name: "OlderClientsMayShare", versions: "4", shows: "4: 3.8.4-1", script: `
		a connect
		a sub "$share/g/x" 00
		b connect
		b puts 0 "x" 'm'
		a < 30 [ "x" 'm' ]`},
	{name: "FilterIncomplete", versions: "5", shows: "5: 4.8.2-1 4.8.2-2", script: `
		a connect
		a > 82 [ 0001 () "$share//x" 00 ]
		a closed 8f
		b connect
		b > 82 [ 0001 () "$share/g" 00 ]
		b closed 8f
		c connect
		c > 82 [ 0001 () "$share/g/" 00 ]
		c closed 8f
		d connect
		d > 82 [ 0001 () "$share/g+/x" 00 ]
		d closed 8f
		e connect
		e > 82 [ 0001 () "$share/#/x" 00 ]
		e closed 8f`},
	{name: "GrantedQoS", versions: "5", shows: "5: 4.8.2-3", script: `
		a connect
		a sub "$share/g/x" 00
		b connect
		b puts 1 "x" 'm'
		a < 30 [ "x" () 'm' ]
		a quiet
		c connect
		c sub "$share/h/x" 01
		b puts 2 "x" 'n'
		c < 32 [ "x" .. .. () 'n' ]`},
	{name: "QoS2IsCompletedByWhoBeganIt", versions: "5", shows: "5: 4.8.2-4", script: `
		a connect keep
		a sub "$share/g/x" 02
		b connect
		b puts 2 "x" 'm'
		a < 34 [ "x" $p () 'm' ]
		c connect
		c sub "$share/g/x" 02
		a drop
		sleep 100ms
		c quiet
		a connect keep present
		a < 3c [ "x" $p () 'm' ]
		a > 50 [ $p ]
		a < 62 [ $p ... ]
		a > 70 [ $p ]
		c quiet`},
	{name: "QoS2EndsWithTheSession", versions: "5", shows: "5: 4.8.2-5", script: `
		a connect
		a sub "$share/g/x" 02
		b connect
		b puts 2 "x" 'm'
		a < 34 [ "x" $p () 'm' ]
		c connect
		c sub "$share/g/x" 02
		a drop
		sleep 100ms
		c quiet`},
	{name: "ANoIsFinal", versions: "5", shows: "5: 4.8.2-6", script: `
		a connect
		a sub "$share/g/x" 01
		b connect
		b puts 1 "x" 'm'
		a < 32 [ "x" $p () 'm' ]
		c connect
		c sub "$share/g/x" 01
		a > 40 [ $p 80 ]
		a quiet
		c quiet`},
	{name: "NoRetainedMessages", versions: "5", shows: "5: 3.3.1-9", script: `
		b connect
		b puts 1r "x" 'm'
		a connect
		a sub "$share/g/x" 00
		a quiet`},
	{name: "Unsubscribed", versions: "5", shows: "5: 3.10.4-1", script: `
		a connect
		a sub "$share/g/x" 00
		a sub "x" 00
		a > a2 [ 0009 () "$share/g/x" ]
		a < b0 [ 0009 (...) 00 ]
		b connect
		b puts 0 "x" 'm'
		a < 30 [ "x" () 'm' ]
		a quiet`},
	{name: "OthersTakeOver", versions: "5", shows: "5: 4.8.2-1", script: `
		a connect
		a sub "$share/g/x" 00
		c connect
		c sub "$share/g/x" 00
		a leave
		sleep 50ms
		b connect
		b puts 0 "x" '1'
		b puts 0 "x" '2'
		c < 30 [ "x" () '1' ]
		c < 30 [ "x" () '2' ]`},
}

func TestShared(t *testing.T) { tell(t, sharedTales) }
