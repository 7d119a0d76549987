package conformance

import "testing"

var connectTales = []tale{
	{name: "FirstPacketIsNotConnect", versions: "45", shows: "4: 3.1.0-1 4.8.0-1 5: 3.1.0-1 3.14.0-1", script: `
		a > c0 00
		a closed silent
		b > 30 [ "x" () 'm' ]
		b closed silent`},
	{name: "SecondConnect", versions: "345", shows: "4: 3.1.0-2 5: 3.1.0-2 4.13.1-1", script: `
		a connect
		a > 10 [ N v c2 003c () "a" @ ]
		a closed 82`},
	{name: "AnotherProtocol", versions: "45", shows: "4: 3.1.2-1 5: 3.1.2-1", script: `
		a > 10 [ "HTTP" v c2 003c () "a" @ ]
		a ends
		b > 10 [ "mqtt" v c2 003c () "a" @ ]
		b ends
		c > 10 [ "MQTT5" v c2 003c () "a" @ ]
		c ends`},
	{name: "LevelToCome", versions: "4", shows: "4: 3.1.2-2", script: `
		a > 10 [ "MQTT" 06 c2 003c "a" @ ]
		a < 20 02 00 01
		a closed silent
		b > 10 [ "MQTT" 00 c2 003c "a" @ ]
		b ends`},
	{name: "LevelToCome", versions: "5", shows: "5: 3.1.2-2", script: `
		a > 10 [ "MQTT" 06 c2 003c () "a" @ ]
		a ends`},
	{name: "ReservedFlag", versions: "345", shows: "4: 3.1.2-3 3.1.4-1 5: 3.1.2-3 3.1.4-1", script: `
		a > 10 [ N v c3 003c () "a" @ ]
		a ends`},
	{name: "ReservedFlagsOfTheHeader", versions: "345", shows: "4: 2.2.2-1 2.2.2-2 5: 2.1.3-1", script: `
		a > 11 [ N v c2 003c () "a" @ ]
		a ends
		b > 1f [ N v c2 003c () "a" @ ]
		b ends`},
	{name: "WillFlagsWithoutWill", versions: "345", shows: "4: 3.1.2-11 3.1.2-13 3.1.2-15 5: 3.1.2-11 3.1.2-13", script: `
		a > 10 [ N v ca 003c () "a" @ ]
		a ends
		b > 10 [ N v e2 003c () "a" @ ]
		b ends
		c > 10 [ N v d2 003c () "a" @ ]
		c ends`},
	{name: "WillOfQoS3", versions: "345", shows: "4: 3.1.2-14 5: 3.1.2-12", script: `
		a > 10 [ N v de 003c () "a" () "w" "m" @ ]
		a ends`},
	{name: "WillWithoutItsFields", versions: "345", shows: "4: 3.1.2-9 5: 3.1.2-9", script: `
		a > 10 [ N v 06 003c () "a" ]
		a ends`},
	{name: "UserNameMissing", versions: "345", shows: "4: 3.1.2-19 5: 3.1.2-17", script: `
		a > 10 [ N v 82 003c () "a" ]
		a ends`},
	{name: "UserNameWithoutFlag", versions: "345", shows: "4: 3.1.2-18 5: 3.1.2-16", script: `
		a > 10 [ N v 02 003c () "a" "t" ]
		a ends`},
	{name: "PasswordMissing", versions: "345", shows: "4: 3.1.2-21 5: 3.1.2-19", script: `
		a > 10 [ N v c2 003c () "a" "t" ]
		a ends`},
	{name: "PasswordWithoutFlag", versions: "345", shows: "4: 3.1.2-20 5: 3.1.2-18", script: `
		a > 10 [ N v 82 003c () "a" @ ]
		a ends`},
	{name: "PasswordWithoutUserName", versions: "34", shows: "4: 3.1.2-22", script: `
		a > 10 [ N v 42 003c () "a" "p" ]
		a ends`},
	{name: "TrailingBytes", versions: "345", shows: "4: 3.1.4-1 5: 3.1.4-1", script: `
		a > 10 [ N v c2 003c () "a" @ 00 ]
		a ends`},
	{name: "FieldsInOrder", versions: "345", shows: "4: 3.1.3-1 3.1.3-3 5: 3.1.3-1 3.1.3-3", script: `
		a > 10 [ N v c6 003c () "a" () "w/t" "gone" @ ]
		a < 20 [ 00 00 (...) ]
		b connect
		b sub "w/t" 00
		a drop
		b < 30 [ "w/t" () 'gone' ]`},
	{name: "ClientIDMissing", versions: "345", shows: "4: 3.1.3-3 5: 3.1.3-3", script: `
		a > 10 [ N v 02 003c () ]
		a ends`},
	{name: "ClientIDIsNotText", versions: "345", shows: "4: 3.1.3-4 1.5.3-1 5: 3.1.3-4 1.5.4-1", script: `
		a > 10 [ N v c2 003c () "a\xff" @ ]
		a ends
		b > 10 [ N v c2 003c () "a\xed\xa0\x80" @ ]
		b ends
		c > 10 [ N v c2 003c () "a\x00" @ ]
		c ends`},
	{name: "ClientIDOfEveryCharacter", versions: "345", shows: "4: 3.1.3-5 5: 3.1.3-5", script: `
		a > 10 [ N v c2 003c () "0123456789abcdefghijklm" @ ]
		a < 20 [ 00 00 (...) ]
		b > 10 [ N v c2 003c () "nopqrstuvwxyzABCDEFGHIJ" @ ]
		b < 20 [ 00 00 (...) ]
		c > 10 [ N v c2 003c () "KLMNOPQRSTUVWXYZ" @ ]
		c < 20 [ 00 00 (...) ]`},
	{name: "ClientIDEmpty", versions: "45", shows: "4: 3.1.3-6 5: 3.1.3-6 3.1.3-7 3.2.2-16", script: `
		a > 10 [ N v c2 003c () "" @ ]
		a < 20 [ 00 00 (12 ... , ...) ]
		b > 10 [ N v c2 003c () "" @ ]
		b < 20 [ 00 00 (12 ... , ...) ]
		a quiet
		b quiet
		a sub "x" 00
		b puts 0 "x" 'm'
		a < 30 [ "x" () 'm' ]`},
	{name: "ClientIDEmptyToBeKept", versions: "4", shows: "4: 3.1.3-8 3.1.3-9 3.2.2-4 3.2.2-5", script: `
		a > 10 [ N v c0 003c () "" @ ]
		a < 20 02 00 02
		a closed silent`},
	{name: "WillTopicIsNotText", versions: "345", shows: "4: 3.1.3-10 5: 3.1.3-11", script: `
		a > 10 [ N v c6 003c () "a" () "w\xc0\x80" "m" @ ]
		a ends
		b > 10 [ N v c6 003c () "a" () "w\x00" "m" @ ]
		b ends`},
	{name: "UserNameIsNotText", versions: "345", shows: "4: 3.1.3-11 5: 3.1.3-12", script: `
		a > 10 [ N v c2 003c () "a" "t\xfe" "p" ]
		a ends`},
	{name: "SignInRefused", versions: "34", shows: "4: 3.2.2-4 3.2.2-5", script: `
		a > 10 [ N v c2 003c () "a" "t" "wrong" ]
		a < 20 02 00 05
		a closed silent`},
	{name: "SignInRefused", versions: "5", shows: "5: 3.1.4-2 3.2.2-6 3.2.2-7 3.2.2-8 4.13.2-1", script: `
		a > 10 [ N v c2 003c () "a" "t" "wrong" ]
		a < 20 [ 00 86 (...) ]
		a closed silent
		b > 10 [ N v 02 003c () "a" ]
		b < 20 [ 00 86 (...) ]
		b closed silent`},
	{name: "NothingAfterARefusalIsProcessed", versions: "45", shows: "4: 3.1.4-5 5: 3.1.4-6", script: `
		b connect
		b sub "#" 00
		a > 10 [ N v c2 003c () "a" "t" "wrong" ] 30 [ "x" () 'm' ]
		a refused 05/86
		b quiet`},
	{name: "SentWithConnect", versions: "345", shows: "4: 3.2.0-1 5: 3.2.0-1", script: `
		a > 10 [ N v c2 003c () "a" @ ] 82 [ 0001 () "x" 00 ] 30 [ "x" () 'm' ]
		a < 20 [ 00 00 (...) ]
		a < 90 [ 0001 (...) 00 ]
		a < 30 [ "x" () 'm' ]`},
	{name: "Accepted", versions: "345", shows: "4: 3.1.4-4 5: 3.1.4-5 3.2.0-2 3.2.2-1", script: `
		a > 10 [ N v c2 003c () "a" @ ]
		a < 20 [ 00 00 (...) ]
		a quiet`},
	{name: "TakenOver", versions: "345", shows: "4: 3.1.4-2 5: 3.1.4-3 3.14.4-2", script: `
		a > 10 [ N v c2 003c () "same" @ ]
		a < 20 [ 00 00 (...) ]
		b > 10 [ N v c2 003c () "same" @ ]
		b < 20 [ 00 00 (...) ]
		a closed 8e
		b quiet`},
	{name: "KeepAlivePassed", versions: "345", shows: "4: 3.1.2-24 5: 3.1.2-22 3.2.2-22", script: `
		b connect
		b sub "w" 00
		a > 10 [ N v c6 0001 () "a" () "w" "gone" @ ]
		a < 20 [ 00 00 (...) ]
		sleep 1s
		a > c0 00
		a < d0 00
		sleep 1s
		a > c0 00
		a < d0 00
		b quiet
		a closed
		b < 30 [ "w" () 'gone' ]`},
	{name: "NoKeepAlive", versions: "45", shows: "4: 3.1.2-24 5: 3.1.2-22", script: `
		a > 10 [ N v c2 0000 () "a" @ ]
		a < 20 [ 00 00 (...) ]
		sleep 2s
		a quiet`},
	{name: "Ping", versions: "345", shows: "4: 3.12.4-1 5: 3.12.4-1", script: `
		a connect
		a > c0 00 c0 00
		a < d0 00
		a < d0 00`},
	{name: "PingWithPayload", versions: "345", shows: "4: 4.8.0-1 5: 4.13.1-1", script: `
		a connect
		a > c0 01 00
		a closed 81`},
	{name: "PingFlags", versions: "345", shows: "4: 2.2.2-1 2.2.2-2 5: 2.1.3-1", script: `
		a connect
		a > c1 00
		a closed 81`},
	{name: "DisconnectFlags", versions: "345", shows: "4: 3.14.1-1 5: 3.14.1-1", script: `
		a connect
		a > e1 00
		a closed 81`},
	{name: "DisconnectWithPayload", versions: "34", shows: "4: 3.14.1-1", script: `
		a connect
		a > e0 01 00
		a closed`},
	{name: "AfterDisconnectNothingIsProcessed", versions: "345", shows: "4: 3.14.4-2 5: 3.14.4-1", script: `
		b connect
		b sub "x" 00
		a connect
		a > e0 00 30 [ "x" () 'm' ]
		a closed silent
		b quiet`},
	{name: "PacketsOfTheServer", versions: "345", shows: "4: 4.8.0-1 5: 4.13.1-1", script: `
		a connect
		a > 20 [ 00 00 () ]
		a closed 81 82
		b connect
		b > 90 [ 0001 () 00 ]
		b closed 81 82
		c connect
		c > b0 [ 0001 () -/00 ]
		c closed 81 82
		d connect
		d > d0 00
		d closed 81 82`},
	{name: "TypesThatDoNotExist", versions: "345", shows: "4: 4.8.0-1 5: 4.13.1-1", script: `
		a connect
		a > 00 00
		a closed 81 82
		b connect
		b > f0/01 00
		b closed 81 82`},
	{name: "LengthOfFiveBytes", versions: "345", shows: "4: 4.8.0-1 5: 1.5.5-1", script: `
		a connect
		a > 30 ffffffff7f
		a closed 81
		b > 10 ffffff8001
		b ends`},
}

func TestConnect(t *testing.T) { tell(t, connectTales) }
