using Gatehouse.Authentication;
using Gatehouse.Crypto;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using static Gatehouse.Tests.Answers;

namespace Gatehouse.Tests.Users;

/// <summary>The stored hash changes after a login has read it and before that login replaces it by a better one.</summary>
public sealed class UpgradeRaceTests : GatehouseTest
{
    private const string Old = "old-password-of-alice";
    private const string New = "new-password-of-alice";

    private readonly CountingHash hash = new();

    public static readonly TheoryData<string> Doors = ["login", "token", "basic"];

    protected override void AddServices(IServiceCollection services) => services.AddSingleton(new PasswordHashes([hash, new Md5()], null));

    protected override void Map(WebApplication app) => app.MapWho("/basic/").WithSchemes(typeof(BasicAuthentication));

    [Theory]
    [MemberData(nameof(Doors))]
    public async Task A_password_changed_meanwhile_leaves_the_old_one_refused_here_and_everywhere_after(string door)
    {
        await Users.CreateAsync("alice", Old, encoded: hash.Encode(Old, rounds: 3));
        Meanwhile($"UPDATE auth_user SET password = '{hash.Encode(New)}'");

        await EnterAsync(door, Old).ShouldBeAsync(Refusal(door));

        foreach (var other in Doors.Select(row => row.Data))
        {
            await EnterAsync(other, Old).ShouldBeAsync(Refusal(other));
            await EnterAsync(other, New).ShouldBeAsync(200);
            await EnterAsync(other, Old).ShouldBeAsync(Refusal(other));
        }
        Assert.Equal([hash.Encode(New)], Database.Rows("SELECT password FROM auth_user"));
    }

    [Theory]
    [MemberData(nameof(Doors))]
    public async Task A_password_changed_meanwhile_to_one_that_is_to_be_upgraded_too_is_refused_alike(string door)
    {
        await Users.CreateAsync("alice", Old, encoded: TestUsers.Encode(Old));
        Meanwhile($"UPDATE auth_user SET password = '{TestUsers.Encode(New)}'");

        await EnterAsync(door, Old).ShouldBeAsync(Refusal(door));

        await EnterAsync("basic", Old).ShouldBeAsync(401);
        await EnterAsync(door, New).ShouldBeAsync(200);
    }

    [Theory]
    [MemberData(nameof(Doors))]
    public async Task The_same_password_upgraded_meanwhile_by_another_login_opens(string door)
    {
        await Users.CreateAsync("alice", Old, encoded: hash.Encode(Old, rounds: 3));
        Meanwhile($"UPDATE auth_user SET password = '{hash.Encode(Old)}'");

        await EnterAsync(door, Old).ShouldBeAsync(200);

        await EnterAsync("basic", Old).ShouldBeAsync(200);
        await EnterAsync("basic", New).ShouldBeAsync(401);
    }

    [Theory]
    [InlineData("DELETE FROM auth_user")]
    [InlineData("UPDATE auth_user SET password = '!unusable'")]
    [InlineData("UPDATE auth_user SET password = ''")]
    public async Task A_user_who_meanwhile_can_log_in_no_more_does_not(string sql)
    {
        foreach (var door in Doors.Select(row => row.Data))
        {
            Database.Execute("DELETE FROM auth_user");
            await Users.CreateAsync("alice", Old, encoded: hash.Encode(Old, rounds: 3));
            Meanwhile(sql);

            await EnterAsync(door, Old).ShouldBeAsync(Refusal(door));
        }
    }

    // The check has read the row when it hashes for the first time.
    private void Meanwhile(string sql)
    {
        Secrets.Add(New);
        hash.Running = Once;

        void Once()
        {
            hash.Running = null;
            Database.Execute(sql);
        }
    }

    private Task<HttpResponseMessage> EnterAsync(string door, string password) => door switch
    {
        "login" => Http.AskAsync("/api/accounts/login/", null, "POST", new { username = "alice", password }),
        "token" => Http.AskAsync("/api-token-auth/", null, "POST", new { username = "alice", password }),
        _ => Http.AskAsync("/basic/", Basic("alice", password)),
    };

    private static int Refusal(string door) => door == "basic" ? 401 : 400;
}
