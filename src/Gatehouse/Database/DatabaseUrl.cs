using Npgsql;

namespace Gatehouse.Database;

/// <summary>Database addresses as <c>--database</c> takes them.</summary>
internal static class DatabaseUrl
{
    private const string Sqlite = "sqlite:///";

    private const string LocalSocket = "/var/run/postgresql";

    // The names of libpq, and of Django's OPTIONS with it; all others are Npgsql's.
    private static readonly Dictionary<string, string> Libpq = new()
    {
        ["sslmode"] = "SSL Mode",
        ["sslrootcert"] = "Root Certificate",
        ["sslcert"] = "SSL Certificate",
        ["sslkey"] = "SSL Key",
        ["sslpassword"] = "SSL Password",
        ["connect_timeout"] = "Timeout",
        ["application_name"] = "Application Name",
        ["client_encoding"] = "Client Encoding",
        ["options"] = "Options",
        ["passfile"] = "Passfile",
        ["target_session_attrs"] = "Target Session Attributes",
        ["dbname"] = "Database",
    };

    private static readonly Dictionary<string, string> TargetSessions = new()
    {
        ["any"] = "any",
        ["primary"] = "primary",
        ["readwrite"] = "primary",
        ["read-write"] = "primary",
    };

    /// <summary>Whether it is PostgreSQL's, as an address or as Npgsql's own string (<c>Host=…;Database=…</c>).</summary>
    public static bool IsPostgres(string url) =>
        url.StartsWith("postgresql:", StringComparison.OrdinalIgnoreCase) || url.StartsWith("postgres:", StringComparison.OrdinalIgnoreCase)
        || !url.Contains("://", StringComparison.Ordinal) && (url.Contains("Host=", StringComparison.OrdinalIgnoreCase) || url.Contains("Server=", StringComparison.OrdinalIgnoreCase));

    /// <summary>Refuses what is no database address.</summary>
    /// <returns>The file of a SQLite database; null for PostgreSQL.</returns>
    /// <exception cref="ArgumentException">The message says what to write instead.</exception>
    public static string? Check(string url)
    {
        if (!IsPostgres(url)) return SqlitePath(url);
        Postgres(url);
        return null;
    }

    /// <summary>The file of a <c>sqlite:///relative.db</c> or <c>sqlite:////absolute.db</c> address.</summary>
    /// <exception cref="ArgumentException">Anything else; the message says what to write instead.</exception>
    public static string SqlitePath(string url)
    {
        if (url.StartsWith(Sqlite, StringComparison.OrdinalIgnoreCase) && url.Length > Sqlite.Length)
            return Path.GetFullPath(Uri.UnescapeDataString(url[Sqlite.Length..]));
        throw new ArgumentException(
            $"'{Scheme(url)}' is not a database address; write sqlite:///relative/path.db, sqlite:////absolute/path.db or postgresql://user:password@host:5432/name.");
    }

    /// <summary>What Npgsql needs to know of a PostgreSQL address: <c>postgresql://user:password@host:port,host:port/name?sslmode=require</c>.</summary>
    /// <exception cref="ArgumentException">Something in it is wrong; the message names it and never repeats what may hold a password.</exception>
    public static NpgsqlConnectionStringBuilder Postgres(string url)
    {
        var to = new NpgsqlConnectionStringBuilder();
        if (url.Contains("://", StringComparison.Ordinal)) ReadUrl(url, to);
        else ReadNpgsql(url, to);
        // As libpq: by the local socket, where there is one.
        if (string.IsNullOrEmpty(to.Host)) to.Host = Directory.Exists(LocalSocket) ? LocalSocket : "localhost";
        if (string.IsNullOrEmpty(to.Database)) throw new ArgumentException("The PostgreSQL address names no database; write postgresql://user:password@host:5432/name.");

        // What is not said. A request waits for a connection, and then for an answer, and is told of it: it never waits for ever.
        if (!Says("Timeout")) to.Timeout = 10;
        if (!Says("Command Timeout")) to.CommandTimeout = DbDefaults.LockTimeoutSeconds;
        if (!Says("Maximum Pool Size")) to.MaxPoolSize = 32;
        if (!Says("Max Auto Prepare")) to.MaxAutoPrepare = 250;
        if (!Says("Auto Prepare Min Usages")) to.AutoPrepareMinUsages = 2;
        // Locks and settings are a transaction's own, so a connection comes back as it went: to reset it would be seven statements before each of ours.
        if (!Says("No Reset On Close")) to.NoResetOnClose = true;
        if (!Says("Application Name")) to.ApplicationName = "gatehouse";
        if (!Says("Tcp Keepalive")) to.TcpKeepAlive = true;
        return to;

        bool Says(string keyword) => to.ShouldSerialize(keyword);
    }

    /// <summary>The address that Django's <c>DATABASES</c> means with its PostgreSQL engine.</summary>
    /// <exception cref="ArgumentException">Something in it is wrong; the message holds no password.</exception>
    public static string OfDjango(string name, string user, string password, string host, string port, IEnumerable<(string Name, string Value)> options)
    {
        var to = new NpgsqlConnectionStringBuilder { Database = name };
        if (user.Length > 0) to.Username = user;
        if (password.Length > 0) to.Password = password;
        if (host.StartsWith('/')) to.Host = host;
        else if (host.Length > 0)
        {
            var (hosts, ports) = (host.Split(','), port.Split(','));
            ReadHosts(string.Join(',', hosts.Select((one, i) => ports[Math.Min(i, ports.Length - 1)] is { Length: > 0 } its ? $"{one}:{its}" : one)), to, "write its PORT as a number");
        }
        else to.Host = Directory.Exists(LocalSocket) ? LocalSocket : "localhost";
        if ((host.Length == 0 || host.StartsWith('/')) && port.Length > 0) Set(to, "Port", port);
        foreach (var (key, value) in options) Set(to, key, value);
        return to.ToString();
    }

    private static void ReadUrl(string url, NpgsqlConnectionStringBuilder to)
    {
        const string form = "write postgresql://user:password@host:5432/name, with %-escapes for other signs than letters, digits and -._~ in user and password";
        var rest = url[(url.IndexOf("://", StringComparison.Ordinal) + 3)..];
        var query = rest.IndexOf('?') is >= 0 and var mark ? rest[(mark + 1)..] : "";
        if (query.Length > 0 || rest.EndsWith('?')) rest = rest[..rest.IndexOf('?')];
        var slash = rest.IndexOf('/');
        var (authority, name) = slash < 0 ? (rest, "") : (rest[..slash], rest[(slash + 1)..]);
        if (name.Contains('/') || name.Contains('@')) throw new ArgumentException($"The PostgreSQL address has a '/' or '@' where none can be; {form}.");

        var at = authority.LastIndexOf('@');
        if (at >= 0)
        {
            var (user, password) = authority[..at].Split(':', 2) is [var u, var p] ? (u, p) : (authority[..at], null);
            if (user.Contains('@') || password?.Contains('@') == true) throw new ArgumentException($"The PostgreSQL address has an '@' too many; {form}.");
            to.Username = Uri.UnescapeDataString(user);
            if (password is not null) to.Password = Uri.UnescapeDataString(password);
        }
        ReadHosts(authority[(at + 1)..], to, form);
        if (name.Length > 0) to.Database = Uri.UnescapeDataString(name);

        foreach (var pair in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var (key, value) = pair.Split('=', 2) is [var k, var v] ? (Uri.UnescapeDataString(k), Uri.UnescapeDataString(v)) : (Uri.UnescapeDataString(pair), "");
            Set(to, key, value);
        }
    }

    private static void ReadHosts(string text, NpgsqlConnectionStringBuilder to, string form)
    {
        if (text.Length == 0) return;
        var hosts = new List<(string Host, int? Port)>();
        foreach (var one in text.Split(','))
        {
            var colon = one.LastIndexOf(':');
            if (colon >= 0 && one.IndexOf(']') > colon) colon = -1;
            int? port = null;
            if (colon >= 0 && one[(colon + 1)..] is { Length: > 0 } digits)
            {
                // The text itself may be the tail of a password.
                if (!int.TryParse(digits, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number) || number is 0 or > 65535)
                    throw new ArgumentException($"The PostgreSQL address has a port that is no number from 1 to 65535; {form}.");
                port = number;
            }
            hosts.Add((Uri.UnescapeDataString(colon >= 0 ? one[..colon] : one), port));
        }
        if (hosts is [var (host, only)])
        {
            to.Host = host.Trim('[', ']');
            if (only is { } number) to.Port = number;
            return;
        }
        to.Host = string.Join(',', hosts.Select(each => each.Port is { } number ? $"{each.Host}:{number}" : each.Host));
    }

    private static void ReadNpgsql(string text, NpgsqlConnectionStringBuilder to)
    {
        var pairs = new System.Data.Common.DbConnectionStringBuilder();
        try
        {
            pairs.ConnectionString = text;
        }
        catch (ArgumentException)
        {
            throw new ArgumentException("The PostgreSQL address is no list of keyword=value pairs with semicolons between.");
        }
        foreach (string key in pairs.Keys) Set(to, key, (string)pairs[key]);
    }

    /// <summary>Sets one parameter, by libpq's name or Npgsql's.</summary>
    /// <exception cref="ArgumentException">It is not known, or cannot have that value.</exception>
    public static void Set(NpgsqlConnectionStringBuilder to, string key, string value)
    {
        var keyword = Libpq.GetValueOrDefault(key.ToLowerInvariant(), key);
        if (keyword == "SSL Mode") value = value.Replace("-", "", StringComparison.Ordinal);
        if (keyword.Replace(" ", "", StringComparison.Ordinal).Equals("TargetSessionAttributes", StringComparison.OrdinalIgnoreCase) && !TargetSessions.ContainsKey(value.ToLowerInvariant()))
            throw new ArgumentException("target_session_attrs must be primary (or read-write), the default, or any: what is read must be what was written last.");
        try
        {
            to[keyword] = value;
        }
        catch (Exception error) when (error is ArgumentException or FormatException or InvalidCastException or OverflowException or KeyNotFoundException)
        {
            // Npgsql's message may repeat the value.
            var known = new NpgsqlConnectionStringBuilder().ContainsKey(keyword);
            throw new ArgumentException(known
                ? $"The PostgreSQL address gives {Shown(key)} a value that it cannot have."
                : $"The PostgreSQL address has a parameter {Shown(key)} that is not known; take it out, or see https://www.npgsql.org/doc/connection-string-parameters.html.");
        }
    }

    // A parameter's name, unless it is what came of a mistyped password.
    private static string Shown(string key) => key.Length <= 40 && key.All(c => char.IsAsciiLetter(c) || c is ' ' or '_') ? key : "…";

    // What stands behind the scheme may hold a password, so it is not repeated.
    private static string Scheme(string url)
    {
        var colon = url.IndexOf("://", StringComparison.Ordinal);
        return colon >= 0 ? url[..colon] + "://…" : url.Contains("password", StringComparison.OrdinalIgnoreCase) || url.Contains('@') ? "…" : url;
    }
}
