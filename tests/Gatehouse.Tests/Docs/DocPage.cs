using System.Text.RegularExpressions;

namespace Gatehouse.Tests.Docs;

/// <summary>A block between fences.</summary>
/// <param name="Language">What stands behind the opening fence.</param>
/// <param name="Line">Of the opening fence, counted from 1.</param>
/// <param name="Text">What it holds.</param>
internal sealed record DocBlock(string Language, int Line, string Text);

/// <summary>A Markdown file of the repository.</summary>
internal sealed class DocPage
{
    private DocPage(string name, string text) => (Name, Text, Blocks) = (name, text, [.. ReadBlocks(text)]);

    /// <summary>The repository's folder, found from where the test lies or is run.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Relative to the repository, with slashes.</summary>
    public string Name { get; }

    public string Text { get; }

    public IReadOnlyList<DocBlock> Blocks { get; }

    public static DocPage Read(string name) => new(name, File.ReadAllText(Path.Combine(Root, name)).ReplaceLineEndings("\n"));

    /// <summary>Every page that is ours: not those of the recordings.</summary>
    public static IEnumerable<DocPage> All() =>
        Directory.EnumerateFiles(Root, "*.md")
            .Concat(Directory.EnumerateFiles(Path.Combine(Root, "docs"), "*.md", SearchOption.AllDirectories))
            .Select(file => Read(Path.GetRelativePath(Root, file).Replace('\\', '/'))).OrderBy(page => page.Name, StringComparer.Ordinal);

    /// <summary>The block right behind a block, when it says what must come out.</summary>
    public DocBlock? ExpectedOf(DocBlock block) =>
        Blocks.SkipWhile(one => one != block).Skip(1).FirstOrDefault() is { Language: "text" or "json" } next
        && next.Line == block.Line + 2 + block.Text.Count(c => c == '\n')
            ? next
            : null;

    /// <summary>The anchors of the page's headings, as GitHub makes them.</summary>
    public IEnumerable<string> Anchors() =>
        Regex.Matches(Text, "^#+ (.+)$", RegexOptions.Multiline)
            .Select(heading => Regex.Replace(heading.Groups[1].Value.Trim().ToLowerInvariant(), @"[^\p{L}\p{N} _-]", "").Replace(' ', '-'));

    private static IEnumerable<DocBlock> ReadBlocks(string text)
    {
        var lines = text.Split('\n');
        for (var i = 0; i < lines.Length; i++)
        {
            if (!lines[i].StartsWith("```", StringComparison.Ordinal)) continue;
            var start = i++;
            while (i < lines.Length && lines[i] != "```") i++;
            yield return new DocBlock(lines[start][3..], start + 1, string.Concat(lines[(start + 1)..i].Select(line => line + "\n")));
        }
    }

    private static string FindRoot()
    {
        foreach (var start in (string[])[AppContext.BaseDirectory, Environment.CurrentDirectory, SourceFolder()])
            for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
                if (File.Exists(Path.Combine(folder.FullName, "Gatehouse.slnx")))
                    return folder.FullName;
        throw new InvalidOperationException("The repository is not around this test.");
    }

    private static string SourceFolder([System.Runtime.CompilerServices.CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
