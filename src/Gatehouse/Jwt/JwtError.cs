using System.Text.Json;
using Gatehouse.Http;

namespace Gatehouse.Jwt;

/// <summary>Why a token is refused, as simplejwt answers it: 401 with <c>detail</c>, <c>code</c>, and <c>messages</c> by token class.</summary>
internal sealed record JwtError(string Detail, string? Code = null)
{
    private const string NotValid = "token_not_valid";

    public static readonly JwtError NoAccountForCredentials = new("No active account found with the given credentials");
    public static readonly JwtError NoAccountForToken = new("No active account found for the given token.");
    public static readonly JwtError BadHeader = new("Authorization header must contain two space-delimited values", "bad_authorization_header");
    public static readonly JwtError NoUserInToken = InvalidToken("Token contained no recognizable user identification");
    public static readonly JwtError UserNotFound = new("User not found", "user_not_found");
    public static readonly JwtError UserInactive = new("User is inactive", "user_inactive");
    public static readonly JwtError PasswordChanged = new("The user's password has been changed.", "password_changed");

    public IReadOnlyList<(TokenClass Class, string Text)> Messages { get; private init; } = [];

    public static JwtError InvalidToken(string detail) => new(detail, NotValid);

    public static JwtError InvalidForAll(IReadOnlyList<(TokenClass, string)> messages) =>
        new("Given token not valid for any token type", NotValid) { Messages = messages };

    public ApiError Answer(string challenge) => ApiError.Unauthenticated(Write, challenge);

    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("detail", Detail);
        if (Code is not null) json.WriteString("code", Code);
        if (Messages.Count > 0)
        {
            json.WriteStartArray("messages");
            foreach (var (type, text) in Messages)
            {
                json.WriteStartObject();
                json.WriteString("token_class", type.Name);
                json.WriteString("token_type", type.Type);
                json.WriteString("message", text);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }
}
