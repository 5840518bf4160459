// aws-iot-device-sdk-v2: finds its core, connects to it as it was told, and gets a status there.
'use strict'

const assert = require('node:assert')
const { greengrass, http, io, iot, mqtt } = require('aws-iot-device-sdk-v2')

const { DOES, GATEWAY, REQUESTS, STATUS, Statuses, request, run } = require('./gateway')

// What `device` is told about `thing`.
async function discovered ({ certificate, key }, thing) {
  const options = io.TlsContextOptions.create_client_with_mtls_from_path(certificate, key)
  options.override_default_trust_store_from_path(undefined, GATEWAY.ca)
  const bootstrap = new io.ClientBootstrap()
  const sockets = new io.SocketOptions()
  const tls = new io.ClientTlsContext(options)
  const client = new greengrass.DiscoveryClient(bootstrap, sockets, tls, 'us-east-1', 'localhost')
  // It knows port 443 alone; this is the same with another port.
  client.connection_manager.close()
  const alpn = new io.TlsConnectionOptions(tls, 'localhost', ['x-amzn-http-ca'])
  const port = GATEWAY[DOES === 'HTTPS' ? 'https' : 'shared']
  client.connection_manager = new http.HttpClientConnectionManager(
    bootstrap, 'localhost', port, 4, 16 * 1024, sockets, alpn)
  return client.discover(thing)
}

async function refused (device, thing) {
  const failure = await discovered(device, thing).catch((error) => error)
  assert(failure instanceof greengrass.DiscoveryError, `${failure}`)
  return failure.response_code
}

run(async () => {
  const { gg_groups: [group] } = await discovered(GATEWAY, GATEWAY.client_id)
  const [core] = group.cores
  assert.strictEqual(core.thing_arn, 'arn:aws:iot:us-east-1:000000000000:thing/core-1')
  const [{ host_address: host, port }] = core.connectivity
  assert.deepStrictEqual([host, port], ['127.0.0.1', GATEWAY.mqtt])

  const config = iot.AwsIotMqttConnectionConfigBuilder
    .new_mtls_builder_from_path(GATEWAY.certificate, GATEWAY.key)
    .with_certificate_authority(group.certificate_authorities[0])
    .with_endpoint(host)
    .with_port(port)
    .with_client_id(GATEWAY.client_id)
    .with_clean_session(true)
    .build()
  const statuses = new Statuses()
  const connection = new mqtt.MqttClient().new_connection(config)
  await connection.connect()
  await connection.subscribe(STATUS, mqtt.QoS.AtLeastOnce, (_, payload) => statuses.take(payload))
  await connection.publish(REQUESTS, request(DOES), mqtt.QoS.AtLeastOnce)
  await statuses.expect(DOES)
  await connection.disconnect()

  assert.strictEqual(await refused(GATEWAY, 'other'), 403)
  assert.strictEqual(await refused(GATEWAY, '..%2Fsensor'), 400)
  assert.strictEqual(await refused(GATEWAY.disabled, GATEWAY.disabled.name), 401)
})
