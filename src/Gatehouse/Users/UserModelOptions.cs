namespace Gatehouse.Users;

/// <summary>
/// The user model of a Django project that has one of its own (<c>AUTH_USER_MODEL</c>). Its table is Django's: Gatehouse neither makes nor
/// changes it.
/// </summary>
public sealed class UserModelOptions
{
    /// <summary><c>app.Model</c> (<c>AUTH_USER_MODEL</c>). Default <c>auth.User</c>: then all the rest stays as it is.</summary>
    public string Model { get; set; } = DjangosOwn;

    /// <summary>The table (<c>db_table</c>). Empty, the default: as Django calls it, <c>accounts_user</c> for <c>accounts.User</c>.</summary>
    public string Table { get; set; } = "";

    /// <summary>The field that users log in with (<c>USERNAME_FIELD</c>). It is unique. Default <c>username</c>.</summary>
    public string UsernameField { get; set; } = "username";

    /// <summary>The field with the address (<c>EMAIL_FIELD</c>). Default <c>email</c>.</summary>
    public string EmailField { get; set; } = "email";

    /// <summary>
    /// Columns that are called otherwise than their fields in Django's own model (<c>db_column</c>): <c>{"first_name": "given_name"}</c>.
    /// A column that is not there at all needs no entry.
    /// </summary>
    public IDictionary<string, string> Columns { get; set; } = new Dictionary<string, string>();

    /// <summary>
    /// What a new user has in columns that must not be NULL and that Gatehouse does not know: <c>{"phone": "", "points": "0"}</c>. The database
    /// reads each text as a value of the column; <c>now</c> stands for the time.
    /// </summary>
    public IDictionary<string, string> Defaults { get; set; } = new Dictionary<string, string>();

    internal const string DjangosOwn = "auth.User";

    /// <summary>Whether what users log in with is their address.</summary>
    internal bool IsNamedByAddress => UsernameField == EmailField;

    /// <summary>The longest name that people may choose, as long as Django's column for it.</summary>
    internal int LongestName => IsNamedByAddress ? EmailAddress.MaxLength : Username.MaxLength;

    internal bool IsDjangosOwn => Model.Equals(DjangosOwn, StringComparison.OrdinalIgnoreCase);
}
