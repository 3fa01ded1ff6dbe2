//! Tokens that a client puts into a URL, where they end up in logs.

/// The advice for a client that has put its token into a URL.
pub(super) const TOKEN_ADVICE: &str = "a token in a URL ends up in logs: programs send the header `Authorization: Bearer TOKEN`, the page asks for the token";

/// Whether a query has a parameter for a token.
pub(super) fn has_token(query: Option<&str>) -> bool {
    query.unwrap_or_default().split('&').any(|pair| is_token_name(pair.split('=').next().unwrap_or_default()))
}

/// Whether a parameter of this name is for a token, as other tools name theirs.
pub(super) fn is_token_name(name: &str) -> bool {
    let plain = name.replace(['_', '-'], "").to_ascii_lowercase();
    matches!(&*plain, "token" | "accesstoken" | "authtoken" | "bearer" | "authorization" | "auth" | "apikey" | "key")
}
