// jose verifies a logout token, as Back-Channel Logout s2.6 says.
import { createLocalJWKSet, jwtVerify } from "jose";

const { token, jwks, issuer, audience } = JSON.parse(process.env.STOCK);
const requiredClaims = ["iat", "exp", "jti", "sub", "sid", "events"];
const options = { issuer, audience, typ: "logout+jwt", requiredClaims };
const { payload } = await jwtVerify(token, createLocalJWKSet(jwks), options);
console.log(JSON.stringify(payload));
