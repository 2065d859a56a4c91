namespace Gatehouse.Users;

/// <summary>
/// A caller known from a token alone, without a look at the database (simplejwt <c>TokenUser</c>). It has no permissions of Django's; derive
/// from it to carry more.
/// </summary>
public class TokenUser
{
    /// <summary>The user id as the token gives it: unchecked, perhaps of nobody.</summary>
    public string Id { get; init; } = "";

    /// <summary>The claim <c>username</c>, or empty.</summary>
    public string Username { get; init; } = "";

    /// <summary>The claim <c>email</c>; null without it.</summary>
    public string? Email { get; init; }

    /// <summary>The claim <c>is_staff</c>.</summary>
    public bool IsStaff { get; init; }

    /// <summary>The claim <c>is_superuser</c>.</summary>
    public bool IsSuperuser { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"TokenUser {Id}";
}
