using System.Text.RegularExpressions;
using Xunit;

namespace Gatehouse.Tests.Architecture;

/// <summary>Which way the arrows point (docs/architecture.md), read from the sources: what a folder names by <c>using</c> or in full.</summary>
public sealed partial class ArrowsTests
{
    private static readonly string[] Foundation = ["Users", "Crypto", "Http", "Database", "Statistics", "Audit"];
    private static readonly string[] Questions = ["Authentication", "Permissions", "Throttling", "Views"];

    private static readonly Dictionary<string, string[]> MayUse = new()
    {
        ["Crypto"] = ["Http"],
        ["Http"] = ["Database"],
        ["Database"] = ["Users"],
        ["Statistics"] = ["Database"],
        // Who did it is a user; making and changing users is told of.
        ["Audit"] = ["Users", "Http", "Database"],
        ["Users"] = ["Crypto", "Http", "Database", "Statistics", "Audit"],
        ["Authentication"] = Foundation,
        ["Permissions"] = ["Authentication", .. Foundation],
        ["Throttling"] = ["Authentication", .. Foundation],
        // A view's page has a CSRF token, so Views stands on Sessions.
        ["Views"] = ["Authentication", "Permissions", "Throttling", "Sessions", .. Foundation],
        ["Sessions"] = ["Authentication", .. Foundation],
        ["AuthTokens"] = [.. Questions, .. Foundation],
        ["Jwt"] = [.. Questions, .. Foundation],
        ["OAuth"] = ["Sessions", .. Questions, .. Foundation],
        // The admin site's door to all of it.
        ["Administration"] = ["Sessions", "AuthTokens", "Jwt", "OAuth", .. Foundation],
        // It describes what all of them map.
        ["OpenApi"] = ["Accounts", "Sessions", "AuthTokens", "Jwt", "OAuth", .. Questions, .. Foundation],
        // For tests of applications: callers of every kind.
        ["Testing"] = ["Sessions", "AuthTokens", "Jwt", "OAuth", .. Questions, .. Foundation],
        ["Mail"] = Foundation,
        // Who deletes their account does what the admin site does.
        ["Accounts"] = ["Sessions", "AuthTokens", "Jwt", "Mail", "Administration", .. Questions, .. Foundation],
    };

    public static TheoryData<string> Rooms => new(Directory.GetDirectories(Sources.Of("src/Gatehouse")).Select(Path.GetFileName).Where(name => name is not ("bin" or "obj"))!);

    [Theory]
    [MemberData(nameof(Rooms))]
    public void A_room_uses_only_what_it_may(string room)
    {
        Assert.True(MayUse.TryGetValue(room, out var allowed), $"Say in {nameof(MayUse)} what src/Gatehouse/{room} may use.");
        var wrong =
            from file in Sources.Files($"src/Gatehouse/{room}")
            from Match match in Named().Matches(Sources.CodeOf(file))
            let used = match.Groups[1].Value
            where used != room && MayUse.ContainsKey(used) && !allowed.Contains(used)
            select $"{file} uses {used}";

        Assert.Empty(wrong.Distinct());
    }

    [Fact]
    public void The_admin_site_uses_the_public_API_only()
    {
        var friends = typeof(GatehouseOptions).Assembly.GetCustomAttributes(typeof(System.Runtime.CompilerServices.InternalsVisibleToAttribute), false)
            .Cast<System.Runtime.CompilerServices.InternalsVisibleToAttribute>().Select(friend => friend.AssemblyName);

        // Micro is bench/Micro.
        Assert.Equal(["Gatehouse.Server", "Gatehouse.Tests", "Micro"], friends.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Assemblies_refer_to_each_other_in_one_direction()
    {
        string[] Of(Type type) => [.. type.Assembly.GetReferencedAssemblies().Select(name => name.Name!).Where(name => name.StartsWith("Gatehouse", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

        Assert.Empty(Of(typeof(GatehouseOptions)));
        Assert.Equal(["Gatehouse"], Of(typeof(Gatehouse.Admin.AdminRoutes)));
        Assert.Equal(["Gatehouse", "Gatehouse.Admin"], Of(typeof(Gatehouse.Server.GatehouseProgram)));
    }

    [Fact]
    public void Drivers_are_named_in_Database_only()
    {
        var wrong = Sources.Files("src").Where(file => !file.StartsWith("src/Gatehouse/Database/", StringComparison.Ordinal))
            .Where(file => Drivers().IsMatch(Sources.CodeOf(file)));

        Assert.Empty(wrong);
    }

    // using Gatehouse.Users; · using static … · Gatehouse.Users.User · Users.User (a name that is looked up from within Gatehouse)
    [GeneratedRegex(@"(?<![\w.])(?:Gatehouse\.)?([A-Z]\w+)\s*(?:;|\.(?=[A-Z]))")]
    private static partial Regex Named();

    [GeneratedRegex("Microsoft\\.Data\\.Sqlite|SQLitePCL|Npgsql")]
    private static partial Regex Drivers();
}
