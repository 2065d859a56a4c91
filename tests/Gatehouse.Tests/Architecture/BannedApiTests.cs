using System.Text.RegularExpressions;
using Xunit;

namespace Gatehouse.Tests.Architecture;

/// <summary>What no source of ours may call, and what to call instead.</summary>
public sealed class BannedApiTests
{
    public static TheoryData<string, string> Banned => new()
    {
        { @"\bDateTime(Offset)?\.(UtcNow|Now|Today)\b", "TimeProvider" },
        { @"\bTimeProvider\.System\.GetUtcNow\b", "the injected TimeProvider" },
        { @"\bnew Random\b|\bRandom\.Shared\b", "RandomNumberGenerator" },
        // A fixture may leave out a UUID, which is no secret: FixtureModels makes one, as Django's model does.
        { @"(?<!Uuid\(""jti""\)\.Or\(\(\) => |Uuid\( \)\.Or\(\(\) => |\( , )\bGuid\.(NewGuid|CreateVersion7)\b", "RandomNumberGenerator for secrets; keys come from the database" },
        { @"\bThread\.Sleep\b", "await" },
        { @"\bTask\.Delay\([^,)]*\)", "Task.Delay with a TimeProvider, if at all" },
        { @"\bcatch\s*(\([^)]*\)\s*(when\s*\([^{]*\)\s*)?)?\{\s*\}", "a comment in the block that says why nothing is to be done" },
        { @"\.(Result|Wait\(\))(?=[;,)\s])", "await" },
        { @"\basync void\b", "async Task" },
        { @"\b(MD5|SHA1)\.Create\b|\bnew (MD5|SHA1|RNG)CryptoServiceProvider\b", "the one-shot methods, and only in Crypto/" },
        { @"\bBinaryFormatter\b|\bTypeNameHandling\b", "System.Text.Json" },
        { @"\bEnvironment\.Exit\b", "a return value" },
    };

    [Theory]
    [MemberData(nameof(Banned))]
    public void No_source_calls_it(string pattern, string instead)
    {
        // A catch that explains itself is no empty one, so comments are left in where blocks are looked for.
        var comments = pattern.Contains("catch", StringComparison.Ordinal);
        var regex = new Regex(pattern);
        var found =
            from file in Sources.Files("src")
            let text = comments ? File.ReadAllText(Sources.Of(file)) : Sources.CodeOf(file)
            from Match match in regex.Matches(text)
            select $"{file}: {match.Value.Trim()} — use {instead}";

        Assert.Empty(found);
    }
}
