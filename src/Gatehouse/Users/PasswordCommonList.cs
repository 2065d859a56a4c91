using System.IO.Compression;
using System.Text;
using Gatehouse.Http;

namespace Gatehouse.Users;

/// <summary>Passwords too many people use. Kept as one sorted text and searched in it: 160 kB in place of 20,000 strings.</summary>
internal sealed class PasswordCommonList
{
    private static readonly Lazy<PasswordCommonList> LazyShipped = new(ReadShipped);

    // Sorted by bytes, each line ended by a line feed.
    private readonly byte[] lines;

    private PasswordCommonList(byte[] lines) => this.lines = lines;

    /// <summary>The list Django ships: common-passwords.README.md.</summary>
    public static PasswordCommonList Shipped => LazyShipped.Value;

    /// <summary>A list of one's own: lower case, one a line, plain or compressed with gzip.</summary>
    /// <exception cref="ArgumentException">The file cannot be read.</exception>
    public static PasswordCommonList Read(string path)
    {
        try
        {
            var bytes = File.ReadAllBytes(path);
            using var reader = new StreamReader(bytes is [0x1f, 0x8b, ..]
                ? new GZipStream(new MemoryStream(bytes), CompressionMode.Decompress)
                : new MemoryStream(bytes));
            var sorted = reader.ReadToEnd().Split('\n').Select(line => Encoding.UTF8.GetBytes(PythonText.Strip(line) + "\n"))
                .Order(Comparer<byte[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b)));
            return new([.. sorted.SelectMany(line => line)]);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            throw new ArgumentException($"The password_list_path '{path}' cannot be read: {exception.Message}", exception);
        }
    }

    public bool Contains(string password)
    {
        var wanted = Encoding.UTF8.GetBytes(password + "\n").AsSpan();
        if (wanted[..^1].Contains((byte)'\n')) return false;

        var (low, high) = (0, lines.Length);
        while (low < high)
        {
            // The line that the middle lies in.
            var middle = (low + high) / 2;
            var start = lines.AsSpan(0, middle).LastIndexOf((byte)'\n') + 1;
            var end = middle + lines.AsSpan(middle).IndexOf((byte)'\n') + 1;
            switch (lines.AsSpan(start..end).SequenceCompareTo(wanted))
            {
                case 0: return true;
                case < 0: low = end; break;
                default: high = start; break;
            }
        }

        return false;
    }

    private static PasswordCommonList ReadShipped()
    {
        var name = $"{typeof(PasswordCommonList).Namespace}.common-passwords.txt";
        using var stream = typeof(PasswordCommonList).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The resource {name} is missing from this build.");
        var lines = new byte[stream.Length];
        stream.ReadExactly(lines);
        return new(lines);
    }
}
