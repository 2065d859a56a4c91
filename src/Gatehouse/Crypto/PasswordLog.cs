using Microsoft.Extensions.Logging;

namespace Gatehouse.Crypto;

internal static partial class PasswordLog
{
    [LoggerMessage(1101, LogLevel.Error, "The stored password of user {UserId} is not verified: {Reason}. It has to be set again")]
    public static partial void HashRefused(this ILogger logger, string? userId, string reason);

    [LoggerMessage(1102, LogLevel.Error, "Stored passwords of the format {Algorithm} cannot be verified: {Library} is missing. Install it")]
    public static partial void LibraryMissing(this ILogger logger, string algorithm, string library);
}
