namespace Gatehouse.Database;

/// <summary>Database addresses as <c>--database</c> takes them.</summary>
internal static class DatabaseUrl
{
    private const string Sqlite = "sqlite:///";

    /// <summary>The file of a <c>sqlite:///relative.db</c> or <c>sqlite:////absolute.db</c> address.</summary>
    /// <exception cref="ArgumentException">Anything else; the message says what to write instead.</exception>
    public static string SqlitePath(string url)
    {
        if (url.StartsWith(Sqlite, StringComparison.OrdinalIgnoreCase) && url.Length > Sqlite.Length)
            return Path.GetFullPath(Uri.UnescapeDataString(url[Sqlite.Length..]));
        if (url.StartsWith("postgres", StringComparison.OrdinalIgnoreCase))
            throw new ArgumentException("PostgreSQL is not supported by this version yet; write sqlite:///path/to/file.db.");
        throw new ArgumentException(
            $"'{Scheme(url)}' is not a database address; write sqlite:///relative/path.db or sqlite:////absolute/path.db.");
    }

    // What stands behind the scheme may hold a password, so it is not repeated.
    private static string Scheme(string url) => url.Contains("://", StringComparison.Ordinal) ? url[..url.IndexOf("://", StringComparison.Ordinal)] + "://…" : url;
}
