// aws-iot-device-sdk-v2 with MQTT 5: gets the status of a request.
'use strict'

const { once } = require('node:events')
const { auth, iot, mqtt5 } = require('aws-iot-device-sdk-v2')

const { DOES, GATEWAY, REQUESTS, STATUS, Statuses, request, run } = require('./gateway')

function builder () {
  const Builder = iot.AwsIotMqtt5ClientConfigBuilder
  if (!DOES.startsWith('WebSocket')) {
    const { certificate, key } = GATEWAY
    return Builder.newDirectMqttBuilderWithMtlsFromPath('localhost', certificate, key)
  }
  const [id, secret] = GATEWAY.access_key
  const provider = auth.AwsCredentialsProvider.newStatic(id, secret)
  const options = { region: 'us-east-1', credentialsProvider: provider }
  return Builder.newWebsocketMqttBuilderWithSigv4Auth('localhost', options)
}

const ports = {
  'mutual TLS': GATEWAY.mqtt,
  'mutual TLS on the shared port': GATEWAY.shared,
  WebSocket: GATEWAY.https,
  'WebSocket on the shared port': GATEWAY.shared
}

run(async () => {
  const config = builder()
    .withCertificateAuthorityFromPath(undefined, GATEWAY.ca)
    .withPort(ports[DOES])
    .withConnectProperties({ clientId: GATEWAY.client_id, keepAliveIntervalSeconds: 1200 })
    .build()
  const statuses = new Statuses()
  const client = new mqtt5.Mqtt5Client(config)
  client.on('error', (error) => { throw error })
  client.on('connectionFailure', (event) => { throw event.error })
  client.on('messageReceived', ({ message }) => statuses.take(message.payload))
  const connected = once(client, 'connectionSuccess')
  client.start()
  await connected
  const qos = mqtt5.QoS.AtLeastOnce
  const { reasonCodes } = await client.subscribe({ subscriptions: [{ topicFilter: STATUS, qos }] })
  if (reasonCodes[0] !== mqtt5.SubackReasonCode.GrantedQoS1) throw new Error(`${reasonCodes}`)
  const { reasonCode } = await client.publish({ topicName: REQUESTS, payload: request(DOES), qos })
  // No matching subscriber: the request is for a connector.
  if (![0, 0x10].includes(reasonCode)) throw new Error(`PUBACK ${reasonCode}`)
  await statuses.expect(DOES)
  const stopped = once(client, 'stopped')
  client.stop()
  await stopped
  client.close()
})
