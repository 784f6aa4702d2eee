// Stock clients sign a user in. Writes each authorization URL, and reads the URL of the callback.
import { createInterface } from "node:readline";
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";

const { url, redirect_uri, scope, web, spa, secret } = JSON.parse(process.env.STOCK);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function browser(authorizationUrl) {
  console.log(authorizationUrl.href);
  return new URL((await lines.next()).value);
}

async function openidClient(client, secret) {
  const options = { execute: [openid.allowInsecureRequests] };
  const config = await openid.discovery(new URL(url), client, secret, secret ? undefined : openid.None(), options);
  const pkceCodeVerifier = openid.randomPKCECodeVerifier();
  const code_challenge = await openid.calculatePKCECodeChallenge(pkceCodeVerifier);
  const [expectedState, expectedNonce] = [openid.randomState(), openid.randomNonce()];
  const parameters = { redirect_uri, scope, code_challenge, code_challenge_method: "S256" };
  const request = { ...parameters, state: expectedState, nonce: expectedNonce, max_age: "3600" };
  const callback = await browser(openid.buildAuthorizationUrl(config, request));
  const checks = { pkceCodeVerifier, expectedState, expectedNonce, maxAge: 3600, idTokenExpected: true };
  const tokens = await openid.authorizationCodeGrant(config, callback, checks);
  const { sub } = tokens.claims();
  const { email } = await openid.fetchUserInfo(config, tokens.access_token, sub);
  const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token);
  return { email, refreshed: true, same: refreshed.claims().sub === sub };
}

async function oauth4webapi(client_id, authentication) {
  const insecure = { [oauth.allowInsecureRequests]: true };
  const issuer = new URL(url);
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
  const client = { client_id };
  const verifier = oauth.generateRandomCodeVerifier();
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
  const request = new URL(as.authorization_endpoint);
  const code_challenge = await oauth.calculatePKCECodeChallenge(verifier);
  const parameters = { client_id, redirect_uri, scope, response_type: "code", state, nonce };
  const all = { ...parameters, code_challenge, code_challenge_method: "S256" };
  for (const [name, value] of Object.entries(all)) request.searchParams.set(name, value);
  const response = oauth.validateAuthResponse(as, client, await browser(request), state);
  const granted = await oauth.authorizationCodeGrantRequest(
    as, client, authentication, response, redirect_uri, verifier, insecure,
  );
  const checks = { expectedNonce: nonce, requireIdToken: true };
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, granted, checks);
  const { sub } = oauth.getValidatedIdTokenClaims(tokens);
  const asked = await oauth.userInfoRequest(as, client, tokens.access_token, insecure);
  const { email } = await oauth.processUserInfoResponse(as, client, sub, asked);
  const again = await oauth.refreshTokenGrantRequest(as, client, authentication, tokens.refresh_token, insecure);
  const refreshed = await oauth.processRefreshTokenResponse(as, client, again);
  return { email, refreshed: true, same: oauth.getValidatedIdTokenClaims(refreshed).sub === sub };
}

const runs = {
  "openid-client, public": () => openidClient(spa),
  "openid-client, with a secret": () => openidClient(web, secret),
  "oauth4webapi, public": () => oauth4webapi(spa, oauth.None()),
  "oauth4webapi, with a secret": () => oauth4webapi(web, oauth.ClientSecretBasic(secret)),
};
const results = {};
for (const [name, run] of Object.entries(runs)) {
  results[name] = await run().catch((error) => ({ failed: `${error}`, cause: `${error.cause}` }));
}
console.log(JSON.stringify(results));
process.exit();
