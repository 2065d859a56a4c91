using System.Security.Cryptography;
using Gatehouse.Database;
using Gatehouse.Users;

namespace Gatehouse.AuthTokens;

/// <summary>A row of <c>authtoken_token</c>: what a caller authenticated with.</summary>
/// <remarks>The key itself is not kept here, so that it cannot reach a log.</remarks>
public sealed class AuthToken(UserId userId)
{
    internal static readonly Sql Insert = new("INSERT INTO authtoken_token (key, created, user_id) VALUES (@key, @now, @user)");

    /// <summary>Whose token it is.</summary>
    public UserId UserId { get; } = userId;

    /// <summary>160 random bits as 40 lower-case hex characters (DRF <c>Token.generate_key</c>).</summary>
    internal static string NewKey() => RandomNumberGenerator.GetHexString(40, lowercase: true);
}
