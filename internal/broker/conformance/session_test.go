package conformance

import "testing"

var sessionTales = []tale{
	{name: "Resumed", versions: "345", shows: "4: 3.1.2-4 3.2.2-2 4.1.0-1 3.1.4-3 5: 3.1.2-5 3.2.2-3 3.1.2-23 3.1.4-4", script: `
		a connect keep
		a sub "x" 01
		a leave
		a connect keep present
		b connect
		b puts 1 "x" 'm'
		a < 32 [ "x" .. .. () 'm' ]`},
	{name: "NoSessionYet", versions: "45", shows: "4: 3.2.2-3 3.1.2-4 5: 3.2.2-3 3.1.2-6", script: `
		a connect keep`},
	{name: "CleanDiscards", versions: "345", shows: "4: 3.1.2-6 3.2.2-1 5: 3.1.2-4 3.2.2-2", script: `
		a connect keep
		a sub "x" 01
		a leave
		b connect
		b puts 1 "x" 'm'
		a connect
		a quiet
		b puts 1 "x" 'n'
		a quiet`},
	{name: "CleanIsNotReused", versions: "45", shows: "4: 3.1.2-6 5: 3.1.2-4 4.1.0-2", script: `
		a connect
		a sub "x" 01
		a leave
		b connect
		b puts 1 "x" 'm'
		a connect keep
		a quiet
		b puts 1 "x" 'n'
		a quiet`},
	{name: "QueuedWhileAway", versions: "345", shows: "4: 3.1.2-5 4.5.0-1 4.6.0-6 5: 4.5.0-1 4.6.0-5", script: `
		a connect keep
		a sub "x" 02
		a leave
		b connect
		b puts 1 "x" '1'
		b puts 2 "x" '2'
		b puts 1 "x" '3'
		b puts 2 "x" '4'
		a connect keep present
		a < 32 [ "x" $1 () '1' ]
		a < 34 [ "x" $2 () '2' ]
		a < 32 [ "x" $3 () '3' ]
		a < 34 [ "x" $4 () '4' ]`},
	{name: "QueuedOverARestart", versions: "345", shows: "4: 3.1.2-5 4.1.0-1 5: 3.1.2-23 4.5.0-1", script: `
		a connect keep
		a sub "x" 02
		a leave
		b connect
		b puts 1 "x" '1'
		b puts 2 "x" '2'
		b puts 1 "x" '3'
		restart
		b connect
		b puts 1 "x" '4'
		a connect keep present
		a < 32 [ "x" .. .. () '1' ]
		a < 34 [ "x" .. .. () '2' ]
		a < 32 [ "x" .. .. () '3' ]
		a < 32 [ "x" .. .. () '4' ]`},
	{name: "FirstDeliveryIsNotADuplicate", versions: "345", shows: "4: 3.3.1-1 3.3.1-3 5: 3.3.1-1 3.3.1-3", script: `
		a connect keep
		a sub "x" 01
		a drop
		sleep 50ms
		b connect
		b puts 1 "x" 'm'
		a connect keep present
		a < 32 [ "x" $p () 'm' ]
		a drop
		a connect keep present
		a < 3a [ "x" $p () 'm' ]
		a > 40 [ $p ]
		a quiet
		a drop
		a connect keep present
		a quiet`},
	{name: "SentAgainQoS1", versions: "345", shows: "4: 4.4.0-1 3.3.1-1 2.3.1-3 4.3.2-1 5: 4.4.0-1 3.3.1-1 4.3.2-3", script: `
		a connect keep
		a sub "x" 01
		b connect
		b puts 1 "x" '1'
		b puts 1 "x" '2'
		b puts 1 "x" '3'
		a < 32 [ "x" $1 () '1' ]
		a < 32 [ "x" $2 () '2' ]
		a < 32 [ "x" $3 () '3' ]
		a > 40 [ $1 ]
		a quiet
		a drop
		a connect keep present
		a < 3a [ "x" $2 () '2' ]
		a < 3a [ "x" $3 () '3' ]
		a quiet`},
	{name: "SentAgainQoS2", versions: "345", shows: "4: 4.4.0-1 4.3.3-1 4.6.0-1 5: 4.4.0-1 4.3.3-3 4.3.3-5 4.3.3-6", script: `
		a connect keep
		a sub "x" 02
		b connect
		b puts 2 "x" '1'
		b puts 2 "x" '2'
		a < 34 [ "x" $1 () '1' ]
		a < 34 [ "x" $2 () '2' ]
		a > 50 [ $1 ]
		a < 62 [ $1 -/... ]
		a drop
		a connect keep present
		a ~ 62 [ $1 -/... ]
		a ~ 3c [ "x" $2 () '2' ]
		a > 70 [ $1 ]
		a > 50 [ $2 ]
		a < 62 [ $2 -/... ]
		a > 70 [ $2 ]
		a quiet`},
	{name: "NothingIsSentAgainMeanwhile", versions: "345", shows: "4: 4.4.0-1 5: 4.4.0-1", script: `
		a connect keep
		a sub "x" 01
		b connect
		b puts 1 "x" 'm'
		a < 32 [ "x" $p () 'm' ]
		sleep 2s
		a quiet
		a > 40 [ $p ]`},
	{name: "QoS2IsKnownAfterReconnecting", versions: "345", shows: "4: 4.3.3-2 4.1.0-1 5: 4.3.3-10", script: `
		a connect
		a sub "x" 00
		b connect keep
		b > 34 [ "x" 0005 () 'm' ]
		b acked 50 0005
		a < 30 [ "x" () 'm' ]
		b drop
		b connect keep present
		b > 3c [ "x" 0005 () 'm' ]
		b acked 50 0005
		b > 62 [ 0005 ]
		b acked 70 0005
		a quiet`},
	{name: "QoS2IsKnownAfterARestart", versions: "345", shows: "4: 4.3.3-2 4.1.0-1 5: 4.3.3-10", script: `
		a connect keep
		a sub "x" 01
		b connect keep
		b > 34 [ "x" 0005 () 'm' ]
		b acked 50 0005
		restart
		b connect keep present
		b > 3c [ "x" 0005 () 'm' ]
		b acked 50 0005
		b > 62 [ 0005 ]
		b acked 70 0005
		a connect keep present
		a ~ .. [ "x" .. .. () 'm' ]
		a quiet`},
	{name: "PubrelAfterARestart", versions: "345", shows: "4: 4.4.0-1 5: 4.4.0-1", script: `
		a connect keep
		a sub "x" 02
		b connect
		b puts 2 "x" 'm'
		a < 34 [ "x" $p () 'm' ]
		a > 50 [ $p ]
		a < 62 [ $p -/... ]
		restart
		a connect keep present
		a < 62 [ $p -/... ]
		a > 70 [ $p ]
		a quiet`},
	{name: "TakenOverKeepsTheSession", versions: "345", shows: "4: 3.1.4-2 4.1.0-2 5: 3.1.4-3 4.1.0-1", script: `
		a connect keep
		a sub "x" 01
		b connect
		b puts 1 "x" '1'
		a < 32 [ "x" $p () '1' ]
		c > 10 [ N v c0 003c (11 0000012c) "a" @ ]
		c < 20 [ ../01 00 (...) ]
		a closed 8e
		c < 3a [ "x" $p () '1' ]
		c > 40 [ $p ]
		b puts 1 "x" '2'
		c < 32 [ "x" .. .. () '2' ]`},
	{name: "TheSessionIsTheClientIDs", versions: "345", shows: "4: 3.1.3-2 5: 3.1.3-2", script: `
		a connect keep
		a sub "x" 01
		a leave
		b connect
		b puts 1 "x" 'm'
		c connect keep
		c quiet
		a connect keep present
		a < 32 [ "x" .. .. () 'm' ]`},
	{name: "ExpiryZeroEndsWithTheConnection", versions: "5", shows: "5: 4.1.0-2 3.1.2-23", script: `
		a connect
		a sub "x" 01
		a drop
		sleep 100ms
		a connect keep
		a quiet`},
	{name: "SessionExpires", versions: "5", shows: "5: 4.1.0-2", script: `
		a connect keep (11 00000001)
		a sub "x" 01
		a drop
		sleep 1500ms
		b connect
		b puts 1 "x" 'm'
		a connect keep
		a quiet
		b puts 1 "x" 'm'
		a quiet`},
	{name: "SessionExpiresOverARestart", versions: "5", shows: "5: 4.1.0-2 3.1.2-23", script: `
		a connect keep (11 00000001)
		a sub "x" 01
		c connect keep (11 0000012c)
		a drop
		c drop
		restart
		sleep 1500ms
		a connect keep
		a quiet
		c connect keep present`},
	{name: "ExpiryChangedByDisconnect", versions: "5", shows: "5: 3.1.2-23 4.1.0-2", script: `
		a connect keep
		a sub "x" 01
		a > e0 [ 00 (11 00000000) ]
		a closed silent
		a connect keep
		a leave
		b connect keep (11 00000001)
		b > e0 [ 00 (11 0000012c) ]
		b closed silent
		sleep 1500ms
		b connect keep present`},
	{name: "ExpiryNotSetByDisconnectWhenZero", versions: "5", shows: "5: 4.13.1-1", script: `
		a connect
		a > e0 [ 00 (11 0000012c) ]
		a closed 82`},
	{name: "MessageExpiresInTheQueue", versions: "5", shows: "5: 3.3.2-5 3.3.2-6", script: `
		a connect keep
		a sub "x" 01
		a drop
		sleep 50ms
		b connect
		b puts 1 "x" (02 00000001) 'short'
		b puts 1 "x" (02 0000003c) 'long'
		b puts 1 "x" 'ever'
		sleep 1300ms
		a connect keep present
		a < 32 [ "x" .. .. (02 0000003b) 'long' ]
		a < 32 [ "x" .. .. () 'ever' ]
		a quiet`},
	{name: "MessageExpiryOverARestart", versions: "5", shows: "5: 3.3.2-5 3.3.2-6", script: `
		a connect keep
		a sub "x" 01
		a drop
		sleep 50ms
		b connect
		b puts 1 "x" (02 00000001) 'short'
		b puts 1 "x" (02 0000003c) 'long'
		restart
		sleep 1100ms
		a connect keep present
		a < 32 [ "x" .. .. (02 000000..) 'long' ]
		a quiet`},
	{name: "NoExpiryOnceSent", versions: "5", shows: "5: 4.3.3-7 4.3.3-13", script: `
		a connect keep
		a sub "x" 02
		b connect
		b puts 2 "x" (02 00000001) 'm'
		a < 34 [ "x" $p (...) 'm' ]
		a drop
		sleep 1300ms
		a connect keep present
		a < 3c [ "x" $p (...) 'm' ]
		a > 50 [ $p ]
		a < 62 [ $p ... ]
		a > 70 [ $p ]`},
	{name: "Mosquitto311SessionsNeverExpireOfThemselves", versions: "4", shows: "4: 3.1.2-4", script: `
		a connect keep
		a drop
		sleep 1500ms
		a connect keep present`},
}

func TestSession(t *testing.T) { tell(t, sessionTales) }

var willTales = []tale{
	{name: "PublishedWhenTheConnectionBreaks", versions: "345", shows: "4: 3.1.2-8 3.1.2-16 5: 3.1.2-7 3.1.2-8 3.1.2-14", script: `
		b connect
		b sub "w" 01
		a > 10 [ N v ce 003c () "a" () "w" "gone" @ ]
		a < 20 [ 00 00 (...) ]
		a drop
		b < 32 [ "w" .. .. () 'gone' ]
		c connect
		c sub "w" 00
		c quiet`},
	{name: "PublishedAfterAnError", versions: "345", shows: "4: 3.1.2-8 5: 3.1.2-8", script: `
		b connect
		b sub "w" 00
		a > 10 [ N v c6 003c () "a" () "w" "gone" @ ]
		a < 20 [ 00 00 (...) ]
		a > 36 [ "x" 0001 () ]
		a closed 81
		b < 30 [ "w" () 'gone' ]`},
	{name: "PublishedWhenTakenOver", versions: "345", shows: "4: 3.1.2-8 5: 3.1.2-8", script: `
		b connect
		b sub "w" 00
		a > 10 [ N v c6 003c () "same" () "w" "gone" @ ]
		a < 20 [ 00 00 (...) ]
		c > 10 [ N v c2 003c () "same" @ ]
		c < 20 [ 00 00 (...) ]
		b < 30 [ "w" () 'gone' ]`},
	{name: "Retained", versions: "345", shows: "4: 3.1.2-17 5: 3.1.2-15", script: `
		b connect
		b sub "w" 00
		a > 10 [ N v e6 003c () "a" () "w" "gone" @ ]
		a < 20 [ 00 00 (...) ]
		a drop
		b < 30 [ "w" () 'gone' ]
		c connect
		c sub "w" 00
		c < 31 [ "w" () 'gone' ]`},
	{name: "RemovedByDisconnect", versions: "345", shows: "4: 3.1.2-8 3.1.2-10 3.14.4-3 5: 3.1.2-8 3.1.2-10 3.14.4-3", script: `
		b connect
		b sub "w" 00
		a > 10 [ N v c6 003c () "a" () "w" "gone" @ ]
		a < 20 [ 00 00 (...) ]
		a > e0 00
		a closed silent
		b quiet`},
	{name: "RemovedOncePublished", versions: "345", shows: "4: 3.1.2-10 3.1.2-12 5: 3.1.2-10", script: `
		b connect
		b sub "w" 00
		a > 10 [ N v c4 003c (11 0000012c) "a" () "w" "gone" @ ]
		a < 20 [ 00 00 (...) ]
		a drop
		b < 30 [ "w" () 'gone' ]
		a connect keep present
		a drop
		sleep 50ms
		b quiet`},
	{name: "KeptByDisconnectWithWill", versions: "5", shows: "5: 3.1.2-8", script: `
		b connect
		b sub "w" 00
		a > 10 [ N v c6 003c () "a" () "w" "gone" @ ]
		a < 20 [ 00 00 (...) ]
		a > e0 [ 04 ]
		a closed silent
		b < 30 [ "w" () 'gone' ]`},
	{name: "EmptyMessage", versions: "345", shows: "4: 3.1.2-8 5: 3.1.2-8", script: `
		b connect
		b sub "w" 00
		a > 10 [ N v c6 003c () "a" () "w" "" @ ]
		a < 20 [ 00 00 (...) ]
		a drop
		b < 30 [ "w" () ]`},
	{name: "TopicWithWildcards", versions: "345", shows: "4: 4.7.1-1 5: 4.7.0-1", script: `
		a > 10 [ N v c6 003c () "a" () "w/#" "gone" @ ]
		a ends
		b > 10 [ N v c6 003c () "b" () "" "gone" @ ]
		b ends`},
	{name: "BoundByTheList", versions: "345", shows: "4: 3.3.5-2 5: 3.1.4-2", script: `
		b connect
		b sub "#" 00
		b sub "$SYS/x" 00
		a > 10 [ N v c6 003c () "a" () "denied/w" "gone" @ ]
		a drop
		c > 10 [ N v c6 003c () "c" () "$SYS/x" "gone" @ ]
		c drop
		sleep 100ms
		b quiet`},
	{name: "Delayed", versions: "5", shows: "5: 3.1.2-8 3.1.3-9", script: `
		b connect
		b sub "w" 00
		a > 10 [ N v c4 003c (11 0000012c) "a" (18 00000001) "w" "gone" @ ]
		a < 20 [ 00 00 (...) ]
		a drop
		sleep 300ms
		b quiet
		b < 30 [ "w" () 'gone' ]
		a connect keep present`},
	{name: "DelayedAndBackInTime", versions: "5", shows: "5: 3.1.3-9", script: `
		b connect
		b sub "w" 00
		a > 10 [ N v c4 003c (11 0000012c) "a" (18 00000001) "w" "gone" @ ]
		a < 20 [ 00 00 (...) ]
		a drop
		sleep 200ms
		a connect keep present
		sleep 1300ms
		b quiet`},
	{name: "DelayEndsWithTheSession", versions: "5", shows: "5: 3.1.2-8", script: `
		b connect
		b sub "w" 00
		a > 10 [ N v c4 003c (11 00000001) "a" (18 0000003c) "w" "gone" @ ]
		a < 20 [ 00 00 (...) ]
		a drop
		sleep 300ms
		b quiet
		b < 30 [ "w" () 'gone' ]
		c > 10 [ N v c4 003c (11 0000012c) "c" (18 0000003c) "w" "gone too" @ ]
		c < 20 [ 00 00 (...) ]
		c drop
		sleep 100ms
		c > 10 [ N v c2 003c () "c" @ ]
		b < 30 [ "w" () 'gone too' ]`},
	{name: "DelayedOverARestart", versions: "5", shows: "5: 3.1.2-7 3.1.2-8", script: `
		b connect keep
		b sub "w" 01
		a > 10 [ N v cc 003c (11 0000012c) "a" (18 00000001) "w" "gone" @ ]
		a < 20 [ 00 00 (...) ]
		a drop
		sleep 50ms
		restart
		b connect keep present
		b < 32 [ "w" .. .. () 'gone' ]`},
	{name: "Properties", versions: "5", shows: "5: 3.1.3-10 3.3.2-4 3.3.2-15 3.3.2-16 3.3.2-17 3.3.2-20", script: `
		b connect
		b sub "w" 00
		a > 10 [ N v c6 003c () "a" (01 01 , 02 0000003c , 03 "text/plain" , 08 "answer" , 09 0002 c0de , 26 "k" "1" , 26 "k" "2" , 26 "a" "3") "w" "gone" @ ]
		a < 20 [ 00 00 (...) ]
		a drop
		b < 30 [ "w" (01 01 , 02 000000.. , 03 "text/plain" , 08 "answer" , 09 0002 c0de , 26 "k" "1" , 26 "k" "2" , 26 "a" "3") 'gone' ]`},
}

func TestWill(t *testing.T) { tell(t, willTales) }
