package conformance

import (
	"slices"
	"strings"
	"testing"
)

// scenario is one of the interoperability suites of Eclipse Paho, 10 for MQTT
// 3.1.1 and 27 for MQTT 5, which no package registry has: what it looks at is
// done here by tales of our own.
type scenario struct {
	name    string
	version byte
	tales   []string
}

var scenarios = []scenario{
	{"basic", '4', []string{"TestPublish/QoS0", "TestPublish/QoS1", "TestPublish/QoS2", "TestConnect/SecondConnect", "TestConnect/AnotherProtocol"}},
	{"retained messages", '4', []string{"TestRetain/Kept", "TestRetain/RemovedByAnEmptyOne"}},
	{"client id of no length", '4', []string{"TestConnect/ClientIDEmpty", "TestConnect/ClientIDEmptyToBeKept"}},
	{"messages for a client that is away", '4', []string{"TestSession/QueuedWhileAway"}},
	{"overlapping subscriptions", '4', []string{"TestSubscribe/Overlapping"}},
	{"keep alive", '4', []string{"TestConnect/KeepAlivePassed"}},
	{"redelivery after reconnecting", '4', []string{"TestSession/SentAgainQoS1", "TestSession/SentAgainQoS2"}},
	{"a subscription that fails", '4', []string{"TestSubscribe/SomeRefused"}},
	{"topics with $", '4', []string{"TestSubscribe/DollarIsNotMatchedByWildcards"}},
	{"unsubscribe", '4', []string{"TestSubscribe/Unsubscribed", "TestSubscribe/Unsuback"}},

	{"basic", '5', []string{"TestPublish/QoS0", "TestPublish/QoS1", "TestPublish/QoS2", "TestConnect/SecondConnect", "TestConnect/AnotherProtocol"}},
	{"retained message", '5', []string{"TestRetain/Kept", "TestRetain/OutlivesARestart", "TestFive/PropertiesOfAMessage"}},
	{"will message", '5', []string{"TestWill/PublishedWhenTheConnectionBreaks", "TestWill/Properties"}},
	{"client id of no length", '5', []string{"TestConnect/ClientIDEmpty"}},
	{"messages for a client that is away", '5', []string{"TestSession/QueuedWhileAway"}},
	{"overlapping subscriptions", '5', []string{"TestSubscribe/Overlapping", "TestFive/SubscriptionIdentifiersOfOverlapping"}},
	{"keep alive", '5', []string{"TestConnect/KeepAlivePassed"}},
	{"redelivery after reconnecting", '5', []string{"TestSession/SentAgainQoS1", "TestSession/SentAgainQoS2"}},
	{"a subscription that fails", '5', []string{"TestSubscribe/SomeRefused"}},
	{"topics with $", '5', []string{"TestSubscribe/DollarIsNotMatchedByWildcards"}},
	{"unsubscribe", '5', []string{"TestSubscribe/Unsubscribed", "TestSubscribe/UnsubscribedManyAtOnce"}},
	{"session expiry", '5', []string{"TestSession/ExpiryZeroEndsWithTheConnection", "TestSession/SessionExpires", "TestSession/ExpiryChangedByDisconnect"}},
	{"user properties", '5', []string{"TestFive/PropertiesOfAMessage", "TestFive/UserPropertiesAreNotEchoed"}},
	{"payload format", '5', []string{"TestFive/PropertiesOfAMessage"}},
	{"expiry of messages", '5', []string{"TestSession/MessageExpiresInTheQueue", "TestRetain/Expired"}},
	{"subscription options", '5', []string{"TestSubscribe/NoLocal", "TestRetain/AsPublished", "TestRetain/HandlingOne", "TestRetain/HandlingTwo"}},
	{"assigned client id", '5', []string{"TestConnect/ClientIDEmpty"}},
	{"subscription identifiers", '5', []string{"TestFive/SubscriptionIdentifier", "TestFive/SubscriptionIdentifiersOfOverlapping"}},
	{"request and response", '5', []string{"TestFive/AnswerOnAnotherTopic"}},
	{"topic aliases of the client", '5', []string{"TestFive/TopicAliasFromTheClient", "TestFive/TopicAliasZero", "TestFive/TopicAliasTooLarge"}},
	{"topic aliases of the server", '5', []string{"TestFive/TopicAliasToTheClient", "TestFive/TopicAliasNotAskedFor"}},
	{"maximum packet size", '5', []string{"TestFive/MaximumPacketSizeOfTheClient", "TestLimits/SizeOfAPacket"}},
	{"keep alive of the server", '5', []string{"TestLimits/KeepAlive"}},
	{"flow control, of the server's messages", '5', []string{"TestFive/ReceiveMaximumOfTheClient", "TestFive/ReceiveMaximumAndQoS2"}},
	{"flow control, of the client's messages", '5', []string{"TestReceiveMaximum"}},
	{"will delay", '5', []string{"TestWill/Delayed", "TestWill/DelayedAndBackInTime", "TestWill/DelayEndsWithTheSession"}},
	{"shared subscriptions", '5', []string{"TestShared/OneOfThem", "TestShared/OthersTakeOver"}},
}

// TestEveryScenarioIsTold looks that the tales of each scenario exist in its
// version.
func TestEveryScenarioIsTold(t *testing.T) {
	if len(scenarios) != 37 {
		t.Errorf("%d scenarios, want 37", len(scenarios))
	}
	for _, s := range scenarios {
		for _, name := range s.tales {
			test, tale0, isTale := strings.Cut(name, "/")
			if !isTale {
				if !isTest(t, ".", test) {
					t.Errorf("%s, MQTT %c: there is no %s", s.name, s.version, name)
				}
				continue
			}
			if !slices.ContainsFunc(told[test], func(c tale) bool {
				return c.name == tale0 && strings.ContainsRune(c.versions, rune(s.version))
			}) {
				t.Errorf("%s, MQTT %c: there is no tale %s", s.name, s.version, name)
			}
		}
	}
}
