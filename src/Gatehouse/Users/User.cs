using Gatehouse.Database;

namespace Gatehouse.Users;

/// <summary>A person or program that can be authenticated: a row of <c>auth_user</c>, or of the project's own user model.</summary>
/// <remarks>Not a record: its <c>ToString</c> would print the password hash into a log.</remarks>
public sealed class User
{
    // As they are called in Django's own model; UserModel says how in a project's.
    internal const string Columns =
        "u.id, u.username, u.password, u.email, u.first_name, u.last_name, u.is_staff, u.is_active, u.is_superuser";

    internal const int ColumnCount = 9;

    /// <summary>The key.</summary>
    public required UserId Id { get; init; }

    /// <summary>What they log in with (<c>USERNAME_FIELD</c>): in Django's own model at most 150 characters, unique, case-sensitive, NFKC.</summary>
    public required string Username { get; init; }

    /// <summary>Perhaps empty, not unique.</summary>
    public string Email { get; init; } = "";

    /// <summary>Perhaps empty.</summary>
    public string FirstName { get; init; } = "";

    /// <summary>Perhaps empty.</summary>
    public string LastName { get; init; } = "";

    /// <summary>May enter the admin site.</summary>
    public bool IsStaff { get; init; }

    /// <summary>False: is refused by every scheme.</summary>
    public bool IsActive { get; init; } = true;

    /// <summary>Has every permission.</summary>
    public bool IsSuperuser { get; init; }

    /// <summary>Django's encoded hash, or <c>!…</c> when there is no password.</summary>
    internal string Password { get; init; } = "";

    /// <inheritdoc/>
    public override string ToString() => Username;

    internal static User Read(Row row) => Read(row, 0);

    /// <summary>The columns of <see cref="Columns"/>, from <paramref name="first"/> on.</summary>
    internal static User Read(Row row, int first) => new()
    {
        Id = row.UserId(first),
        Username = row.TextOrEmpty(first + 1),
        Password = row.Text(first + 2),
        Email = row.TextOrEmpty(first + 3),
        FirstName = row.TextOrEmpty(first + 4),
        LastName = row.TextOrEmpty(first + 5),
        IsStaff = row.Bool(first + 6),
        IsActive = row.Bool(first + 7),
        IsSuperuser = row.Bool(first + 8),
    };

    internal User WithPassword(string encoded) => new()
    {
        Id = Id,
        Username = Username,
        Password = encoded,
        Email = Email,
        FirstName = FirstName,
        LastName = LastName,
        IsStaff = IsStaff,
        IsActive = IsActive,
        IsSuperuser = IsSuperuser,
    };
}
