// A stock client in Go signs a user in. Writes the authorization URL, and reads the URL of the callback.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

type setup struct{ URL, RedirectURI, Web, Secret string }

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	var told setup
	check(json.Unmarshal([]byte(os.Getenv("STOCK")), &told))
	ctx := context.Background()
	provider, err := oidc.NewProvider(ctx, told.URL)
	check(err)
	config := oauth2.Config{
		ClientID: told.Web, ClientSecret: told.Secret, RedirectURL: told.RedirectURI,
		Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "profile", "email"},
	}
	verifier := oauth2.GenerateVerifier()
	fmt.Println(config.AuthCodeURL("state", oidc.Nonce("nonce"), oauth2.S256ChallengeOption(verifier)))
	lines := bufio.NewScanner(os.Stdin)
	lines.Scan()
	callback, err := url.Parse(lines.Text())
	check(err)
	token, err := config.Exchange(ctx, callback.Query().Get("code"), oauth2.VerifierOption(verifier))
	check(err)
	raw, _ := token.Extra("id_token").(string)
	idToken, err := provider.Verifier(&oidc.Config{ClientID: told.Web}).Verify(ctx, raw)
	check(err)
	check(idToken.VerifyAccessToken(token.AccessToken))
	info, err := provider.UserInfo(ctx, config.TokenSource(ctx, token))
	check(err)
	result := map[string]any{"nonce": idToken.Nonce, "same": info.Subject == idToken.Subject, "email": info.Email}
	check(json.NewEncoder(os.Stdout).Encode(result))
}
