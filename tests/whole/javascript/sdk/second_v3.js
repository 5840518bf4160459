// aws-iot-device-sdk-v2 with MQTT 3.1.1: gets the status of a request.
'use strict'

const { auth, iot, mqtt } = require('aws-iot-device-sdk-v2')

const { DOES, GATEWAY, REQUESTS, STATUS, Statuses, request, run } = require('./gateway')

function builder () {
  const Builder = iot.AwsIotMqttConnectionConfigBuilder
  if (!DOES.startsWith('WebSocket')) {
    return Builder.new_mtls_builder_from_path(GATEWAY.certificate, GATEWAY.key)
  }
  const [id, secret] = GATEWAY.access_key
  const provider = auth.AwsCredentialsProvider.newStatic(id, secret)
  return Builder.new_with_websockets({ region: 'us-east-1', credentials_provider: provider })
}

// It offers ALPN on every port.
const ports = {
  'mutual TLS': GATEWAY.mqtt,
  'mutual TLS on the shared port': GATEWAY.shared,
  WebSocket: GATEWAY.https,
  'WebSocket on the shared port': GATEWAY.shared
}

run(async () => {
  const config = builder()
    .with_certificate_authority_from_path(undefined, GATEWAY.ca)
    .with_endpoint('localhost')
    .with_port(ports[DOES])
    .with_client_id(GATEWAY.client_id)
    .with_clean_session(true)
    .build()
  const statuses = new Statuses()
  const connection = new mqtt.MqttClient().new_connection(config)
  connection.on('error', (error) => { throw error })
  await connection.connect()
  const take = (_, payload) => statuses.take(payload)
  const granted = await connection.subscribe(STATUS, mqtt.QoS.AtLeastOnce, take)
  if (granted.qos !== mqtt.QoS.AtLeastOnce) throw new Error(JSON.stringify(granted))
  await connection.publish(REQUESTS, request(DOES), mqtt.QoS.AtLeastOnce)
  await statuses.expect(DOES)
  await connection.disconnect()
})
