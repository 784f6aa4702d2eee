// Stock clients with nothing said but what their documentation says; prints what each got, as JSON.
import axios from "axios";
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";
import { ClientCredentials, ResourceOwnerPassword } from "simple-oauth2";

const { url, audience, web, app, username, password } = JSON.parse(process.env.STOCK);
const login = { username, password };

async function openidClient(client, secret) {
  const options = { algorithm: "oauth2", execute: [openid.allowInsecureRequests] };
  const config = await openid.discovery(new URL(url), client, secret, secret ? undefined : openid.None(), options);
  const first = await openid.genericGrantRequest(config, "password", { ...login, audience });
  const second = await openid.refreshTokenGrant(config, first.refresh_token);
  const shown = secret && (await openid.tokenIntrospection(config, second.access_token));
  await openid.tokenRevocation(config, second.refresh_token);
  const dead = await openid.refreshTokenGrant(config, second.refresh_token).catch((error) => error.error);
  return { type: second.token_type, active: shown && shown.active, dead };
}

async function oauth4webapi(authentication, client_id) {
  const insecure = { [oauth.allowInsecureRequests]: true };
  const found = await oauth.discoveryRequest(new URL(url), { algorithm: "oauth2", ...insecure });
  const as = await oauth.processDiscoveryResponse(new URL(url), found);
  const client = { client_id };
  const granted = await oauth.genericTokenEndpointRequest(as, client, authentication, "password", login, insecure);
  const first = await oauth.processGenericTokenEndpointResponse(as, client, granted);
  const asked = await oauth.refreshTokenGrantRequest(as, client, authentication, first.refresh_token, insecure);
  const second = await oauth.processRefreshTokenResponse(as, client, asked);
  const request = new Request(audience, { headers: { authorization: `Bearer ${second.access_token}` } });
  const claims = await oauth.validateJwtAccessToken(as, request, audience, insecure);
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(as, client, authentication, second.refresh_token, insecure),
  );
  const late = await oauth.refreshTokenGrantRequest(as, client, authentication, second.refresh_token, insecure);
  const dead = await oauth.processRefreshTokenResponse(as, client, late).catch((error) => error.error);
  return { type: second.token_type, client: claims.client_id === client_id, dead };
}

async function simpleOauth2(options) {
  const auth = { tokenHost: url, tokenPath: "/token", revokePath: "/revoke" };
  const config = { client: { id: web.client_id, secret: web.client_secret }, auth, options };
  const own = await new ClientCredentials(config).getToken({});
  const first = await new ResourceOwnerPassword(config).getToken(login);
  const second = await first.refresh();
  await second.revokeAll();
  const dead = await second.refresh().catch((error) => error.data.payload.error);
  return { type: second.token.token_type, own: own.token.token_type, dead };
}

async function withAxios() {
  const api = axios.create({ baseURL: url, validateStatus: () => true });
  const form = (members) => new URLSearchParams({ client_id: app.client_id, ...members });
  const first = (await api.post("/token", form({ grant_type: "password", ...login }))).data;
  api.defaults.headers.common.Authorization = `Bearer ${first.access_token}`; // and left there
  const refresh = { grant_type: "refresh_token", refresh_token: first.refresh_token };
  const second = (await api.post("/token", form(refresh))).data;
  const revoked = await api.post("/revoke", form({ token: second.refresh_token }));
  const dead = await api.post("/token", form({ ...refresh, refresh_token: second.refresh_token }));
  const expired = await api.post("/api/refresh-token");
  return { type: second.token_type, revoked: revoked.data, dead: dead.data.error, expired: expired.status };
}

const runs = {
  "openid-client, public": () => openidClient(app.client_id),
  "openid-client, with a secret": () => openidClient(web.client_id, web.client_secret),
  "oauth4webapi, public": () => oauth4webapi(oauth.None(), app.client_id),
  "oauth4webapi, Basic": () => oauth4webapi(oauth.ClientSecretBasic(web.client_secret), web.client_id),
  "oauth4webapi, in the body": () => oauth4webapi(oauth.ClientSecretPost(web.client_secret), web.client_id),
  "simple-oauth2": () => simpleOauth2(),
  "simple-oauth2, in the body": () => simpleOauth2({ authorizationMethod: "body" }),
  axios: () => withAxios(),
};
const results = {};
for (const [name, run] of Object.entries(runs)) {
  results[name] = await run().catch((error) => ({ failed: `${error}`, cause: `${error.cause}` }));
}
console.log(JSON.stringify(results));
