// One MQTT.js client, told what to do by one JSON object a line (see order in driver_test.go).
"use strict";
const fs = require("node:fs");
const readline = require("node:readline");
const mqtt = require("mqtt");

let client;
const messages = [];
let waiting;

function arrived(topic, payload, packet) {
	const p = packet.properties || {};
	const m = {
		ok: true, topic, payload: payload.toString(), qos: packet.qos, retain: packet.retain,
		answer: p.responseTopic || "", of: p.correlationData ? p.correlationData.toString() : "",
	};
	if (waiting) waiting(m);
	else messages.push(m);
}

const orders = {
	connect: (o) => new Promise((done) => {
		const options = {
			clientId: o.id, username: o.user, password: o.password, clean: o.clean,
			protocolVersion: o.version, reconnectPeriod: 0, connectTimeout: 20000,
		};
		if (o.version === 5 && !o.clean) options.properties = { sessionExpiryInterval: 300 };
		if (o.ca) options.ca = fs.readFileSync(o.ca);
		if (o.will) options.will = { topic: o.will, payload: o.payload || "", qos: o.qos, retain: o.retain };
		client = mqtt.connect(o.url, options);
		client.on("message", arrived);
		client.once("connect", (p) => done({ ok: true, present: p.sessionPresent }));
		client.once("error", (e) => done({ error: e.message || String(e) }));
		client.once("close", () => done({ error: "closed" }));
	}),
	subscribe: async (o) => {
		const granted = await client.subscribeAsync(o.filter, { qos: o.qos });
		return { ok: true, granted: granted[0].qos };
	},
	publish: async (o) => {
		const properties = {};
		if (o.answer) properties.responseTopic = o.answer;
		if (o.of) properties.correlationData = Buffer.from(o.of);
		const options = { qos: o.qos, retain: o.retain };
		if (client.options.protocolVersion === 5) options.properties = properties;
		await client.publishAsync(o.topic, o.payload || "", options);
		return { ok: true };
	},
	next: (o) => new Promise((done) => {
		if (messages.length > 0) return done(messages.shift());
		const late = setTimeout(() => { waiting = undefined; done({ ok: true, none: true }); }, o.patient_ms);
		waiting = (m) => { clearTimeout(late); waiting = undefined; done(m); };
	}),
	disconnect: async () => {
		await client.endAsync();
		return { ok: true };
	},
};

let chain = Promise.resolve();
readline.createInterface({ input: process.stdin }).on("line", (line) => {
	const o = JSON.parse(line);
	chain = chain.then(() => orders[o.op](o)).catch((e) => ({ error: e.message || String(e) }))
		.then((r) => console.log(JSON.stringify(r)));
}).on("close", () => process.exit(0));
