// openid-client lets a user sign in elsewhere (RFC 8628). Writes where to, and then what it got.
import * as openid from "openid-client";

const { url, client, scope } = JSON.parse(process.env.STOCK);
const options = { execute: [openid.allowInsecureRequests] };
const config = await openid.discovery(new URL(url), client, undefined, openid.None(), options);
const begun = await openid.initiateDeviceAuthorization(config, { scope });
console.log(begun.verification_uri_complete);
const tokens = await openid.pollDeviceAuthorizationGrant(config, begun);
const user = await openid.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token);
console.log(JSON.stringify({ email: user.email, same: refreshed.claims().sub === user.sub }));
