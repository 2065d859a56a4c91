using System.Text.RegularExpressions;
using Gatehouse.Tests.Database;

namespace Gatehouse.Tests.Architecture;

/// <summary>The checkout's source files, by their paths from its root.</summary>
internal static partial class Sources
{
    public static string Of(string path) => Path.Combine(DatabaseFile.Root, path);

    public static IEnumerable<string> Files(string folder) =>
        Directory.EnumerateFiles(Of(folder), "*.cs", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(DatabaseFile.Root, file).Replace('\\', '/'))
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal));

    /// <summary>Without comments and texts, which may name anything; doc comments are checked by the compiler.</summary>
    public static string CodeOf(string file) => NoCode().Replace(File.ReadAllText(Of(file)), " ");

    [GeneratedRegex(""""
        """(?s:.*?)"""|@?"(?:[^"\\\n]|\\.)*"|//[^\n]*|(?s:/\*.*?\*/)
        """")]
    private static partial Regex NoCode();
}
