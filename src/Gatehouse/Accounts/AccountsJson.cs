using System.Text.Json.Serialization;
using Gatehouse.Http;
using Gatehouse.Users;

namespace Gatehouse.Accounts;

/// <summary>A user as the accounts API shows one.</summary>
internal sealed record UserJson(UserId Id, string Username, string? Email, bool IsStaff)
{
    public static UserJson Of(User user) => new(user.Id, user.Username, user.Email, user.IsStaff);
}

[JsonSerializable(typeof(UserJson))]
[JsonSerializable(typeof(List<UserJson>))]
internal sealed partial class AccountsJson : JsonSerializerContext
{
    public static AccountsJson Api { get; } = new(new(ApiJson.SerializerOptions));
}
