using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Gatehouse.Tests.Crypto;

/// <summary>What the real Django stack wrote: tests/Parity/django-schema/vectors.json and tests/Parity/seed.json.</summary>
internal static class PasswordVectors
{
    public static JsonElement All { get; } = Read("django-schema/vectors.json");

    public static JsonElement Seed { get; } = Read("seed.json");

    private static JsonElement Read(string path)
    {
        // Built with --artifacts-path, the program is outside the checkout; its source is not.
        var root = RootAbove(AppContext.BaseDirectory) ?? RootAbove(SourceFile())
            ?? throw new FileNotFoundException("Gatehouse.slnx is nowhere above the tests.");
        return JsonElement.Parse(File.ReadAllText(Path.Combine(root, "tests/Parity", path)));
    }

    private static string? RootAbove(string? path)
    {
        while (path is not null && !File.Exists(Path.Combine(path, "Gatehouse.slnx"))) path = Path.GetDirectoryName(path);
        return path;
    }

    private static string SourceFile([CallerFilePath] string path = "") => path;
}
