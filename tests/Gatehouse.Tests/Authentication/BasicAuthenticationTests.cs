using Gatehouse.Authentication;
using Gatehouse.Crypto;
using Gatehouse.Tests.Users;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using static Gatehouse.Tests.Answers;

namespace Gatehouse.Tests.Authentication;

public sealed class BasicAuthenticationTests : GatehouseTest
{
    private readonly CountingHash hash = new();

    protected override void AddServices(IServiceCollection services) => services.AddSingleton(new PasswordHashes([hash, new Md5()], null));

    protected override void Map(WebApplication app) => app.MapWho("/basic/").WithSchemes(typeof(BasicAuthentication));

    [Fact]
    public async Task A_password_that_was_right_is_remembered_and_a_wrong_one_is_not()
    {
        await Users.CreateAsync("alice", encoded: hash.Encode(TestUsers.PasswordOf("alice")));

        for (var i = 0; i < 5; i++) await Http.AskAsync("/basic/", Basic("alice")).ShouldBeAsync(200);
        Assert.Equal(1, hash.Runs);
        for (var i = 0; i < 3; i++) await Http.AskAsync("/basic/", Basic("alice", "wrong-password")).ShouldBeAsync(401);

        Assert.Equal(4, hash.Runs);
    }

    [Fact]
    public async Task A_changed_password_counts_at_the_next_request()
    {
        var alice = await Users.CreateAsync("alice");
        await Http.AskAsync("/basic/", Basic("alice")).ShouldBeAsync(200);
        await Http.AskAsync("/basic/", Basic("alice")).ShouldBeAsync(200);

        await Users.SetPasswordAsync(alice, "another-password");

        await Http.AskAsync("/basic/", Basic("alice")).ShouldBeAsync(401);
        await Http.AskAsync("/basic/", Basic("alice", "another-password")).ShouldBeAsync(200);
    }

    [Fact]
    public async Task A_deactivated_user_is_refused_at_the_next_request_and_so_is_a_deleted_one()
    {
        var alice = await Users.CreateAsync("alice");
        var bob = await Users.CreateAsync("bob");
        await Http.AskAsync("/basic/", Basic("alice")).ShouldBeAsync(200);
        await Http.AskAsync("/basic/", Basic("bob")).ShouldBeAsync(200);

        await Users.DeactivateAsync(alice);
        await Users.DeleteAsync(bob);

        await Http.AskAsync("/basic/", Basic("alice")).ShouldBeAsync(401, """{"detail":"Invalid username/password."}""");
        await Http.AskAsync("/basic/", Basic("bob")).ShouldBeAsync(401, """{"detail":"Invalid username/password."}""");
    }

    [Fact]
    public async Task What_is_remembered_of_one_user_helps_no_other()
    {
        await Users.CreateAsync("alice", "the-same-password");
        await Users.CreateAsync("bob", "a-different-password");
        await Http.AskAsync("/basic/", Basic("alice", "the-same-password")).ShouldBeAsync(200);

        await Http.AskAsync("/basic/", Basic("bob", "the-same-password")).ShouldBeAsync(401);
    }

    [Fact]
    public async Task User_names_are_case_sensitive_and_not_trimmed()
    {
        await Users.CreateAsync("alice");

        await Http.AskAsync("/basic/", Basic("Alice", TestUsers.PasswordOf("alice"))).ShouldBeAsync(401);
        await Http.AskAsync("/basic/", Basic("alice ", TestUsers.PasswordOf("alice"))).ShouldBeAsync(401);
    }
}
