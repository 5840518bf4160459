// An MQTT.js client that does what it is told. Arguments: port, version, transport.
//
// Each line of its input is a request in JSON and is answered with a line; each message is a
// line when it comes. What fails ends it.
'use strict'

const { once } = require('node:events')
const readline = require('node:readline')
const mqtt = require('mqtt')

const [port, version, transport] = process.argv.slice(2)
const protocolVersion = { '3.1.1': 4, 5: 5 }[version]
const isV5 = protocolVersion === 5
const url = { tcp: `mqtt://127.0.0.1:${port}`, websocket: `ws://127.0.0.1:${port}/mqtt` }[transport]

const say = (line) => process.stdout.write(JSON.stringify(line) + '\n')

function publishProperties (wanted, alias) {
  const user = {}
  for (const [key, value] of wanted.user) (user[key] ??= []).push(value)
  return {
    ...(wanted.user.length > 0 && { userProperties: user }),
    ...(wanted.response_topic !== null && { responseTopic: wanted.response_topic }),
    ...(wanted.correlation_data !== null && { correlationData: Buffer.from(wanted.correlation_data) }),
    ...(wanted.content_type !== null && { contentType: wanted.content_type }),
    ...(alias && { topicAlias: 1 })
  }
}

function foundProperties (found = {}) {
  const user = Object.entries(found.userProperties ?? {})
  return {
    user: user.flatMap(([key, values]) => [values].flat().map((value) => [key, value])),
    response_topic: found.responseTopic ?? null,
    correlation_data: found.correlationData?.toString() ?? null,
    content_type: found.contentType ?? null
  }
}

async function connect (how) {
  const client = mqtt.connect(url, {
    protocolVersion,
    clientId: how.client_id,
    clean: how.kept === null,
    reconnectPeriod: 0,
    will: how.will === null ? undefined : { topic: how.will, payload: how.client_id, qos: 1, retain: false },
    properties: isV5 ? { sessionExpiryInterval: how.kept ?? 0, topicAliasMaximum: how.aliases } : undefined
  })
  client.on('message', (topic, payload, packet) => say({
    message: {
      topic,
      payload: payload.toString(),
      qos: packet.qos,
      retain: packet.retain,
      properties: foundProperties(packet.properties),
      alias: packet.properties?.topicAlias ?? null
    }
  }))
  const [connack] = await once(client, 'connect')
  client.on('error', (error) => { throw error })
  let granted = null
  if (how.subscribe !== null) {
    const [filter, qos] = how.subscribe
    granted = (await client.subscribeAsync(filter, { qos }))[0].qos
  }
  say({ connected: { session_present: connack.sessionPresent, granted } })
  return client
}

async function publish (client, what) {
  const { qos, retain } = what
  const properties = () => isV5 ? publishProperties(what.properties, what.alias) : undefined
  await Promise.all(what.payloads.map((payload, number) => {
    const topic = what.alias && number > 0 ? '' : what.topic
    return client.publishAsync(topic, payload, { qos, retain, properties: properties() })
  }))
  say('published')
}

async function main () {
  let client
  for await (const line of readline.createInterface({ input: process.stdin })) {
    if (client) await publish(client, JSON.parse(line))
    else client = await connect(JSON.parse(line))
  }
  await client.endAsync()
}

main()
