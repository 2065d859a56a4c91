using System.Text.Json.Nodes;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.DjangoTwin;

/// <summary>A project with a user model of its own, on PostgreSQL: what one side makes is good on the other.</summary>
[Collection(OnMembers.Name), Trait(TestDatabase.SqliteOnly, "yes")]
public sealed class UserModelTwinTests(MembersTwin twin) : TwinTest(twin)
{
    private const string Password = "violet-Kettle-42";

    [Theory, MemberData(nameof(BothWays))]
    public async Task A_member_made_there_logs_in_here_by_every_scheme_and_stays_who_it_is_on_both(Side there, Side here)
    {
        var (email, id) = await MakeAsync(there);

        var session = await LogInAsync(here, email, Password);
        var token = await PostAsync(here, "/api-token-auth/", new { username = email, password = Password });
        var pair = await PostAsync(here, "/api/token/", new { email, password = Password });

        foreach (var side in new[] { there, here })
        {
            Assert.Equal((email, id), await WhoIsAsync(await NewBrowser(side, session).GetAsync("/probe/scheme/session/")));
            foreach (var (scheme, header) in new[] { ("basic", Answers.Basic(email, Password)), ("token", $"Token {token["token"]}"), ("jwt", $"Bearer {pair["access"]}") })
                Assert.Equal((email, id), await WhoIsAsync(await Http(side).AskAsync($"/probe/scheme/{scheme}/", header)));
        }
        // The same row as the profile, and nobody else's.
        var profile = await (await NewBrowser(Side.Gatehouse, session).GetAsync("/api/accounts/profile/")).JsonAsync();
        Assert.Equal((id, email, email), ((string)profile["id"]!, (string)profile["username"]!, (string)profile["email"]!));
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task Tokens_of_there_are_rotated_here_and_end_with_a_logout_and_a_new_password(Side there, Side here)
    {
        var (email, id) = await MakeAsync(there);
        var pair = await PostAsync(there, "/api/token/", new { email, password = Password });
        var next = await PostAsync(here, "/api/token/refresh/", new { refresh = (string)pair["refresh"]! });
        foreach (var side in new[] { there, here }) await PostAsync(side, "/api/token/refresh/", new { refresh = (string)pair["refresh"]! }, 401);
        Assert.Equal("[2,1]", (await DjangoAsync("""
            tokens = OutstandingToken.objects.filter(user_id=given)
            result = [tokens.count(), tokens.exclude(blacklistedtoken=None).count()]
            """, id))!.ToJsonString());

        var (left, kept) = (await LogInAsync(here, email, Password), await LogInAsync(there, email, Password));
        await NewBrowser(there, left).PostAsync("/api/accounts/logout/").ShouldBeAsync(200);
        await left.GetAsync("/probe/scheme/session/").ShouldBeAsync(403);
        await kept.GetAsync("/probe/scheme/session/").ShouldBeAsync(200);

        const string Next = "another-Kettle-7";
        if (there == Side.Django) await DjangoAsync("member = Member.objects.get(pk=given[0]); member.set_password(given[1]); member.save()", new[] { id, Next });
        else await Twin.RunAsync(["changepassword", email], $"{Next}\n{Next}\n");
        foreach (var side in new[] { there, here })
        {
            await NewBrowser(side, kept).GetAsync("/probe/scheme/session/").ShouldBeAsync(403);
            await Http(side).AskAsync("/probe/scheme/jwt/", $"Bearer {next["access"]}").ShouldBeAsync(401);
            Assert.Equal((400, 200), (await LoginStatusAsync(side, email, Password), await LoginStatusAsync(side, email, Next)));
        }
    }

    [Theory, MemberData(nameof(BothWays))]
    public async Task OAuth_tokens_of_there_are_refreshed_here(Side there, Side here)
    {
        var (email, _) = await MakeAsync(there);
        var client = Name("client");
        await GatehouseAsync("createapplication", "confidential", "password", "--client-id", client, "--client-secret", "the-secret-of-it");
        (string, string)[] credentials = [("client_id", client), ("client_secret", "the-secret-of-it")];
        var tokens = await FormAsync(there, "/o/token/", 200, [("grant_type", "password"), ("username", email), ("password", Password), ("scope", "read"), .. credentials]);

        var next = await FormAsync(here, "/o/token/", 200, [("grant_type", "refresh_token"), ("refresh_token", (string)tokens["refresh_token"]!), .. credentials]);

        foreach (var side in new[] { there, here })
            await Http(side).AskAsync("/probe/plain-protected/", $"Bearer {next["access_token"]}").ShouldBeAsync(200, $$"""{"user":"{{email}}"}""");
        await FormAsync(there, "/o/token/", 400, [("grant_type", "refresh_token"), ("refresh_token", (string)tokens["refresh_token"]!), .. credentials]);
    }

    [Fact]
    public async Task Groups_and_permissions_of_members_count_on_both_sides_and_go_with_them()
    {
        var (email, id) = await MakeAsync(Side.Gatehouse);
        var session = await LogInAsync(Side.Gatehouse, email, Password);
        await session.GetAsync("/probe/needs-perm/").ShouldBeAsync(403);

        await DjangoAsync("""
            member = Member.objects.get(pk=given[0])
            group = Group.objects.create(name=given[1])
            group.permissions.add(Permission.objects.get(codename='add_group'))
            member.groups.add(group)
            """, new[] { id, Name("editors") });
        foreach (var side in new[] { Side.Django, Side.Gatehouse }) await NewBrowser(side, session).GetAsync("/probe/needs-perm/").ShouldBeAsync(200);

        await DjangoAsync("Member.objects.get(pk=given).delete()", id);
        foreach (var side in new[] { Side.Django, Side.Gatehouse }) await NewBrowser(side, session).GetAsync("/probe/scheme/session/").ShouldBeAsync(403);
    }

    [Fact]
    public async Task Neither_has_anything_to_migrate()
    {
        Assert.Contains("No migrations to apply", await GatehouseAsync("migrate"), StringComparison.Ordinal);
        Assert.Contains("no issues", await GatehouseAsync("check"), StringComparison.Ordinal);
        await DjangoAsync("call_command('migrate', check=True)");
        await DjangoAsync("call_command('makemigrations', check=True, dry_run=True)");
    }

    private async Task<(string Email, string Id)> MakeAsync(Side side)
    {
        var email = Name("ali") + "@example.com";
        if (side == Side.Django) await DjangoAsync("Member.objects.create_user(*given)", new[] { email, Password });
        else await PostAsync(side, "/api/accounts/register/", new { username = email, password = Password }, 201);
        return (email, (string)(await DjangoAsync("result = str(Member.objects.get(email=given).pk)", email))!);
    }

    private static async Task<(string?, string?)> WhoIsAsync(HttpResponseMessage answer)
    {
        await answer.ShouldBeAsync(200);
        JsonNode who = await answer.JsonAsync();
        return ((string?)who["user"], (string?)who["user_id"]);
    }
}
