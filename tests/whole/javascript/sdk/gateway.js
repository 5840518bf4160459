// Where the gateway is, and what a script of an AWS SDK wants of it.
//
// The first argument of every script is JSON: the ports, the files of the device, and how it may
// log in without them. The second says what the script does.
'use strict'

const { EventEmitter, on } = require('node:events')

const PATIENCE = 20000
const GATEWAY = JSON.parse(process.argv[2])
const DOES = process.argv[3]

// The topics of the Greengrass V1 connector for Firehose.
const REQUESTS = 'kinesisfirehose/message'
const STATUS = 'kinesisfirehose/message/status'

const request = (id) => JSON.stringify({ request: { data: `data of ${id}` }, id })

// The entries of the status documents that come from here on.
class Statuses {
  #events = new EventEmitter()
  #entries = on(this.#events, 'entry', { signal: AbortSignal.timeout(PATIENCE) })

  take (payload) {
    const { response } = JSON.parse(Buffer.from(payload).toString())
    for (const entry of response) this.#events.emit('entry', entry)
  }

  // Waits until the record of a request has been delivered.
  async expect (id) {
    for await (const [entry] of this.#entries) {
      const { firehose_record_id: record, status } = entry
      if (entry.id !== id) continue
      if (record !== '' || status !== 'success') throw new Error(JSON.stringify(entry))
      return
    }
  }
}

// Runs a script to its end, with a time limit; what fails ends it.
async function run (script) {
  setTimeout(() => { throw new Error(`not done in ${PATIENCE} ms: ${DOES}`) }, PATIENCE)
  await script()
  // What an SDK has not given back would keep the process alive.
  process.exit()
}

module.exports = { DOES, GATEWAY, REQUESTS, STATUS, Statuses, request, run }
