using System.Text.Json;
using Gatehouse.Http;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Tokens;

/// <summary>A success of the token endpoint, RFC 6749 §5.1.</summary>
/// <remarks>Not a record: its <c>ToString</c> would print tokens into a log.</remarks>
internal sealed class TokenAnswer : IResult
{
    public required string AccessToken { get; init; }

    public required int ExpiresIn { get; init; }

    public required string Scope { get; init; }

    public string? RefreshToken { get; init; }

    public string? IdToken { get; init; }

    public Task ExecuteAsync(HttpContext httpContext)
    {
        OAuthError.NoStore(httpContext.Response);
        return ApiJson.Write(StatusCodes.Status200OK, Write).ExecuteAsync(httpContext);
    }

    private void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("access_token", AccessToken);
        json.WriteNumber("expires_in", ExpiresIn);
        json.WriteString("token_type", "Bearer");
        json.WriteString("scope", Scope);
        if (RefreshToken is not null) json.WriteString("refresh_token", RefreshToken);
        if (IdToken is not null) json.WriteString("id_token", IdToken);
        json.WriteEndObject();
    }
}
