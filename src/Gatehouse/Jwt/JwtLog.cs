using Microsoft.Extensions.Logging;

namespace Gatehouse.Jwt;

internal static partial class JwtLog
{
    [LoggerMessage(1201, LogLevel.Warning, "Rotated refresh token {Jti} of user {UserId} was sent again: its family is ended ({Count} live tokens)")]
    public static partial void RotatedTokenReused(this ILogger logger, string jti, string userId, int count);

    [LoggerMessage(1202, LogLevel.Warning,
        "BLACKLIST_AFTER_ROTATION is on, but the database has no tables of token_blacklist: rotated refresh tokens stay alive, as in simplejwt")]
    public static partial void BlacklistNotInstalled(this ILogger logger);

    [LoggerMessage(1203, LogLevel.Warning, "SIMPLE_JWT: {Setting} {Weakness}")]
    public static partial void KeyIsShort(this ILogger logger, string setting, string weakness);
}
