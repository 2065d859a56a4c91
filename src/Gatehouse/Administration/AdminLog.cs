using System.Text;
using System.Text.Json;
using Gatehouse.Audit;
using Gatehouse.Database;
using Gatehouse.Users;

namespace Gatehouse.Administration;

/// <summary>Rows of <c>django_admin_log</c> that Django's admin reads too (<c>LogEntry</c>, <c>construct_change_message</c>).</summary>
internal static class AdminLog
{
    public const int Addition = 1;
    public const int Change = 2;
    public const int Deletion = 3;

    private const int LongestTitle = 200;

    public const string Added = """[{"added": {}}]""";

    /// <summary>Which fields were changed, by their labels.</summary>
    public static string Changed(IReadOnlyList<string> labels) =>
        labels.Count == 0
            ? "[]"
            : "[{\"changed\": {\"fields\": " + PythonJson.Write(new StringBuilder(), labels.Cast<object?>().ToList(), ascii: true) + "}}]";

    /// <summary>Notes something in the transaction that does it.</summary>
    /// <param name="tx">That transaction.</param>
    /// <param name="entry">Null: nothing.</param>
    public static async Task WriteAsync(Tx tx, AdminLogEntry? entry)
    {
        if (entry is null) return;
        if (entry.Audit is { } frame)
        {
            var words = Words(entry.Message, entry.Flag);
            await AuditTrail.WriteAsync(tx, frame with
            {
                Event = entry.Flag switch { Addition => AuditEvent.Added, Deletion => AuditEvent.Deleted, _ => AuditEvent.Changed },
                About = $"{entry.Model} {(entry.Key == entry.Title ? "" : entry.Key)} {entry.Title}".Replace("  ", " ", StringComparison.Ordinal),
                Detail = entry.More.Length == 0 ? words : $"{words} {entry.More}",
            });
        }
        if (!entry.IsLogged) return;
        var title = entry.Title.Length <= LongestTitle ? entry.Title : entry.Title[..LongestTitle];
        await tx.RunAsync(
            Insert, ("now", entry.Now), ("user", entry.By), ("type", entry.ContentType), ("key", entry.Key), ("title", title), ("flag", (long)entry.Flag), ("message", entry.Message));
    }

    private static readonly Sql Insert = new(
        """
        INSERT INTO django_admin_log (action_time, user_id, content_type_id, object_id, object_repr, action_flag, change_message)
        VALUES (@now, @user, @type, @key, @title, @flag, @message)
        """);

    /// <summary>A change message in words (<c>LogEntry.get_change_message</c>); what is no JSON of Django's stays as it is.</summary>
    public static string Words(string message, int flag)
    {
        if (message.Length == 0) return flag == Deletion ? "Deleted." : "";
        if (message[0] != '[') return message;
        try
        {
            using var json = JsonDocument.Parse(message);
            var words = json.RootElement.EnumerateArray().Select(WordsOf).ToList();
            return words.Count == 0 ? "No fields changed." : string.Join(' ', words);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            return message;
        }
    }

    private static string WordsOf(JsonElement one)
    {
        var change = one.EnumerateObject().First();
        var about = change.Value.TryGetProperty("name", out var name) && change.Value.TryGetProperty("object", out var target) ? $"{name} “{target}”" : null;
        var fields = change.Value.TryGetProperty("fields", out var list) ? And([.. list.EnumerateArray().Select(field => field.ToString())]) : "";
        return change.Name switch
        {
            "added" => about is null ? "Added." : $"Added {about}.",
            "changed" => about is null ? $"Changed {fields}." : $"Changed {fields} for {about}.",
            "deleted" => $"Deleted {about}.",
            _ => "",
        };
    }

    private static string And(IReadOnlyList<string> all) => all.Count switch
    {
        0 => "",
        1 => all[0],
        2 => $"{all[0]} and {all[1]}",
        _ => string.Join(", ", all.Take(all.Count - 1)) + " and " + all[^1],
    };
}

/// <summary>Something that staff did.</summary>
internal sealed record AdminLogEntry(DateTimeOffset Now, UserId By, long? ContentType, string Key, string Title, int Flag, string Message)
{
    /// <summary>Whether the database has the table.</summary>
    public bool IsLogged { get; init; } = true;

    /// <summary><c>auth.user</c></summary>
    public string Model { get; init; } = "";

    /// <summary>Who and from where, for the audit log; null: it is not kept.</summary>
    public AuditEntry? Audit { get; init; }

    /// <summary>For the audit log alone: what a changed field has now.</summary>
    public string More { get; init; } = "";
}
