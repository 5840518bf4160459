// aws-iot-device-sdk: gets the status of a request.
'use strict'

const { once } = require('node:events')
const fs = require('node:fs')
const { promisify } = require('node:util')
const awsIot = require('aws-iot-device-sdk')

const { DOES, GATEWAY, REQUESTS, STATUS, Statuses, request, run } = require('./gateway')

const files = { caPath: GATEWAY.ca, certPath: GATEWAY.certificate, keyPath: GATEWAY.key }
const signed = {
  protocol: 'wss',
  // The host is none of AWS, and a port that is not 443 becomes a part of what is signed.
  region: 'us-east-1',
  accessKeyId: GATEWAY.access_key?.[0],
  secretKey: GATEWAY.access_key?.[1],
  websocketOptions: { ca: fs.readFileSync(GATEWAY.ca) }
}
const ways = {
  'mutual TLS': { ...files, port: GATEWAY.mqtt },
  'mutual TLS with ALPN': { ...files, port: GATEWAY.shared, ALPNProtocols: ['x-amzn-mqtt-ca'] },
  WebSocket: { ...signed, port: GATEWAY.https },
  'WebSocket on the shared port': { ...signed, port: GATEWAY.shared }
}

run(async () => {
  const statuses = new Statuses()
  const device = awsIot.device({ host: 'localhost', clientId: GATEWAY.client_id, ...ways[DOES] })
  device.on('error', (error) => { throw error })
  device.on('message', (_, payload) => statuses.take(payload))
  await once(device, 'connect')
  const granted = await promisify(device.subscribe)(STATUS, { qos: 1 })
  if (granted[0].qos !== 1) throw new Error(JSON.stringify(granted))
  await promisify(device.publish)(REQUESTS, request(DOES), { qos: 1 })
  await statuses.expect(DOES)
  await promisify(device.end)(false)
})
