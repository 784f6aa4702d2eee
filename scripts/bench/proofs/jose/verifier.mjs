// Verifies access tokens with jose: node verifier.mjs JWKS_URI ISSUER AUDIENCE SCALE
//
// The lines on stdin and stdout are those of scripts/bench/verifiers.py. The durations are jose's own defaults, SCALE
// times as short.

import { createInterface } from 'node:readline'
import { createRemoteJWKSet, customFetch, jwtVerify } from 'jose'

const [uri, issuer, audience, scale] = process.argv.slice(2)
let fetches = 0
const keys = createRemoteJWKSet(new URL(uri), {
  cooldownDuration: 30_000 / scale,
  cacheMaxAge: 600_000 / scale,
  [customFetch]: (...request) => {
    fetches += 1
    return fetch(...request)
  },
})

for await (const line of createInterface({ input: process.stdin })) {
  const [seconds, token] = line.split(' ')
  const currentDate = new Date(seconds * 1000)
  const options = { issuer, audience, currentDate, algorithms: ['RS256'], typ: 'at+jwt' }
  const reason = await jwtVerify(token, keys, options).then(() => '', (error) => `${error.code}: ${error.message}`)
  process.stdout.write(`${fetches} ${reason}\n`)
}
