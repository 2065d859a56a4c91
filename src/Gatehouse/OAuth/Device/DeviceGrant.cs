using System.Buffers.Text;
using System.Text;
using Gatehouse.Database;
using Gatehouse.Users;

namespace Gatehouse.OAuth.Device;

/// <summary>A device that waits for its user, or did: a row of <c>oauth2_provider_devicegrant</c> (DOT's <c>DeviceGrant</c>).</summary>
/// <remarks>Not a record: its <c>ToString</c> would print the codes into a log.</remarks>
internal sealed class DeviceGrant
{
    public const string Pending = "authorization-pending";
    public const string Authorized = "authorized";
    public const string Denied = "denied";
    public const string Expired = "expired";

    public const string Columns = "d.id, d.user_code, d.client_id, d.scope, d.status, d.interval, d.expires, d.user_id";

    public const int ColumnCount = 8;

    /// <summary>Longer codes do not fit into their column.</summary>
    public const int LongestCode = 100;

    /// <summary>How long a device and its user have time (oauthlib's <c>expires_in</c>).</summary>
    public static readonly TimeSpan Life = TimeSpan.FromMinutes(30);

    public required long Id { get; init; }

    /// <summary>What the user types.</summary>
    public required string UserCode { get; init; }

    /// <summary>A <c>client_id</c>, not a key.</summary>
    public required string ClientId { get; init; }

    public required string Scope { get; init; }

    private string Status { get; init; } = Pending;

    /// <summary>Seconds between two polls.</summary>
    public required int Interval { get; init; }

    public required DateTimeOffset Expires { get; init; }

    /// <summary>Who typed the code; null: nobody yet.</summary>
    public UserId? UserId { get; init; }

    /// <summary>The status just now: time ends what nobody has ended. (The real stack looks at the time only where the code is typed.)</summary>
    public string StatusAt(DateTimeOffset now) => Status is Pending or Authorized && now >= Expires ? Expired : Status;

    /// <summary>What a device may be called in an address: slugs as they are, anything else encoded.</summary>
    public static string Slug(string text) => IsSlug(text) ? text : Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));

    /// <summary>Django's path converter <c>slug</c>.</summary>
    public static bool IsSlug(string text) => text.Length > 0 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');

    public static DeviceGrant Read(Row row) => new()
    {
        Id = row.Int(0),
        UserCode = row.Text(1),
        ClientId = row.Text(2),
        Scope = row.Text(3),
        Status = row.Text(4),
        Interval = (int)row.Int(5),
        Expires = row.Time(6),
        UserId = row.IsNull(7) ? null : row.UserId(7),
    };
}
