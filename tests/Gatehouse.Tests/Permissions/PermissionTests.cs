using Gatehouse.Authentication;
using Gatehouse.Http;
using Gatehouse.Permissions;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using static Gatehouse.Tests.Answers;

namespace Gatehouse.Tests.Permissions;

public sealed class PermissionTests : GatehouseTest
{
    private const string Refused = """{"detail":"You do not have permission to perform this action."}""";
    private const string NotKnown = """{"detail":"Authentication credentials were not provided."}""";

    protected override void Configure(GatehouseOptions options) => options.RestFramework.DefaultAuthenticationClasses = ["BasicAuthentication"];

    protected override void AddServices(IServiceCollection services)
    {
        services.AddAuthorizationBuilder().AddPolicy("Staff", policy => policy.AddRequirements(new IsAdminUser()))
            .AddPolicy("Reader", policy => policy.AddRequirements(new IsReadOnly()));
    }

    protected override void Map(WebApplication app)
    {
        app.MapWho("/default/");
        app.MapWho("/any/").RequirePermission(new AllowAny());
        app.MapWho("/admin-only/").RequirePermission(new IsAdminUser());
        app.MapWho("/read-only/").RequirePermission(new IsAuthenticatedOrReadOnly());
        app.MapWho("/and/").RequirePermission(new IsAuthenticated() & new IsAdminUser());
        app.MapWho("/or/").RequirePermission(new IsAdminUser() | new IsReadOnly());
        app.MapWho("/not/").RequirePermission(new IsAuthenticated() & !new IsAdminUser());
        app.MapWho("/not-not/").RequirePermission(!!new IsAdminUser());
        app.MapWho("/de-morgan/").RequirePermission(!(new IsAdminUser() | !new IsReadOnly()));
        app.MapWho("/list/").RequirePermission(new IsAuthenticated(), new NamedAlice());
        app.MapWho("/alice/").RequirePermission(new NamedAlice());
        app.MapWho("/model/").RequirePermission(new DjangoModelPermissions("auth.group"));
        app.MapWho("/model-or-read/").RequirePermission(new DjangoModelPermissionsOrAnonReadOnly("auth.group"));
        app.MapView("/posts/{id}/", "Post", view => view.Get(PostAsync).Put(PostAsync)).RequirePermission(new IsAuthenticated(), new IsOwner());
        app.MapView("/mixed/{id}/", "Post", view => view.Get(PostAsync).Put(PostAsync)).RequirePermission(new IsAdminUser() | (new IsReadOnly() & new IsOwner()));
        var group = app.MapGroup("/group").RequirePermission(new IsAdminUser());
        group.MapWho("/inherits/");
        group.MapWho("/own/").RequirePermission(new AllowAny());
    }

    private static async Task<IResult> PostAsync(HttpContext http)
    {
        var id = (string)http.Request.RouteValues["id"]!;
        return await http.CheckObjectPermissionsAsync(id) ?? ApiJson.Ok(new { post = id });
    }

    [Theory]
    [InlineData("/default/", 401, 200, 200)]
    [InlineData("/any/", 200, 200, 200)]
    [InlineData("/admin-only/", 401, 403, 200)]
    [InlineData("/read-only/", 200, 200, 200)]
    [InlineData("/and/", 401, 403, 200)]
    [InlineData("/or/", 200, 200, 200)]
    [InlineData("/not/", 401, 200, 403)]
    [InlineData("/not-not/", 401, 403, 200)]
    [InlineData("/de-morgan/", 200, 200, 403)]
    [InlineData("/group/inherits/", 401, 403, 200)]
    [InlineData("/group/own/", 200, 200, 200)]
    public async Task Each_class_answers_for_an_anonymous_visitor_a_user_and_staff(string path, int anonymous, int user, int staff)
    {
        await Users.CreateAsync("alice");
        await Users.CreateAsync("root", isStaff: true);

        await Http.AskAsync(path).ShouldBeAsync(anonymous, anonymous == 401 ? NotKnown : null);
        await Http.AskAsync(path, Basic("alice")).ShouldBeAsync(user, user == 403 ? Refused : null);
        await Http.AskAsync(path, Basic("root")).ShouldBeAsync(staff, staff == 403 ? Refused : null);
    }

    [Theory]
    [InlineData("/read-only/", 401, 200)]
    [InlineData("/or/", 401, 403)]
    [InlineData("/de-morgan/", 401, 403)]
    public async Task Writing_is_asked_apart_from_reading(string path, int anonymous, int user)
    {
        await Users.CreateAsync("alice");

        await Http.AskAsync(path, method: "POST").ShouldBeAsync(anonymous);
        await Http.AskAsync(path, Basic("alice"), "POST").ShouldBeAsync(user);
        await Http.AskAsync(path, method: "OPTIONS").ShouldBeAsync(200);
    }

    [Fact]
    public async Task A_class_of_ones_own_tells_its_message_and_all_of_a_list_must_agree()
    {
        await Users.CreateAsync("alice");
        await Users.CreateAsync("bob");

        await Http.AskAsync("/alice/", Basic("alice")).ShouldBeAsync(200);
        await Http.AskAsync("/alice/", Basic("bob")).ShouldBeAsync(403, """{"detail":"Alice only."}""");
        await Http.AskAsync("/alice/").ShouldBeAsync(401, NotKnown);
        await Http.AskAsync("/list/", Basic("alice")).ShouldBeAsync(200);
        await Http.AskAsync("/list/", Basic("bob")).ShouldBeAsync(403, """{"detail":"Alice only."}""");
    }

    [Fact]
    public async Task Object_permissions_are_asked_when_the_view_has_the_object()
    {
        await Users.CreateAsync("alice");
        await Users.CreateAsync("bob");

        await Http.AskAsync("/posts/alice/", Basic("alice")).ShouldBeAsync(200, """{"post":"alice"}""");
        await Http.AskAsync("/posts/alice/", Basic("bob")).ShouldBeAsync(403, """{"detail":"Not yours."}""");
        await Http.AskAsync("/posts/alice/").ShouldBeAsync(401, NotKnown);
    }

    [Fact]
    public async Task The_right_of_one_side_is_not_joined_to_the_object_of_the_other()
    {
        await Users.CreateAsync("alice");
        await Users.CreateAsync("root", isStaff: true);

        await Http.AskAsync("/mixed/alice/", Basic("alice")).ShouldBeAsync(200);
        await Http.AskAsync("/mixed/bob/", Basic("alice")).ShouldBeAsync(403);
        await Http.AskAsync("/mixed/alice/", Basic("alice"), "PUT").ShouldBeAsync(403);
        await Http.AskAsync("/mixed/alice/", Basic("root"), "PUT").ShouldBeAsync(200);
    }

    [Fact]
    public async Task Model_permissions_are_the_users_own_or_a_groups()
    {
        await Users.CreateAsync("reader");
        await Users.GrantAsync(await Users.CreateAsync("adder"), "add_group");
        await Users.GrantAsync(await Users.CreateAsync("changer"), "change_group", byGroup: "editors");
        await Users.CreateAsync("root", isSuperuser: true);

        await Http.AskAsync("/model/", Basic("reader")).ShouldBeAsync(200);
        await Http.AskAsync("/model/", Basic("reader"), "POST").ShouldBeAsync(403);
        await Http.AskAsync("/model/", Basic("adder"), "POST").ShouldBeAsync(200);
        await Http.AskAsync("/model/", Basic("adder"), "PUT").ShouldBeAsync(403);
        await Http.AskAsync("/model/", Basic("changer"), "PUT").ShouldBeAsync(200);
        await Http.AskAsync("/model/", Basic("changer"), "PATCH").ShouldBeAsync(200);
        await Http.AskAsync("/model/", Basic("changer"), "DELETE").ShouldBeAsync(403);
        await Http.AskAsync("/model/", Basic("root"), "DELETE").ShouldBeAsync(200);
        await Http.AskAsync("/model/").ShouldBeAsync(401);
        await Http.AskAsync("/model-or-read/").ShouldBeAsync(200);
        await Http.AskAsync("/model-or-read/", method: "POST").ShouldBeAsync(401);
    }

    [Fact]
    public async Task Has_perm_knows_own_group_superuser_and_inactive()
    {
        var accounts = Server.Get<Gatehouse.Users.UserAccounts>();
        var adder = await Users.CreateAsync("adder");
        var member = await Users.CreateAsync("member");
        await Users.GrantAsync(adder, "add_group");
        await Users.GrantAsync(member, "add_group", byGroup: "editors");
        var retired = await Users.CreateAsync("retired", isActive: false, isSuperuser: true);
        var root = await Users.CreateAsync("root", isSuperuser: true);

        Assert.True(await accounts.HasPermAsync(adder, "auth.add_group", Ct));
        Assert.True(await accounts.HasPermAsync(member, "auth.add_group", Ct));
        Assert.False(await accounts.HasPermAsync(adder, "auth.delete_group", Ct));
        Assert.False(await accounts.HasPermAsync(adder, "other.add_group", Ct));
        Assert.False(await accounts.HasPermAsync(adder, "add_group", Ct));
        Assert.False(await accounts.HasPermAsync(adder, "", Ct));
        Assert.True(await accounts.HasPermAsync(root, "any.thing", Ct));
        Assert.False(await accounts.HasPermAsync(retired, "auth.add_group", Ct));
    }

    [Fact]
    public async Task A_permission_taken_away_is_gone_at_the_next_request()
    {
        var adder = await Users.CreateAsync("adder");
        await Users.GrantAsync(adder, "add_group");
        await Http.AskAsync("/model/", Basic("adder"), "POST").ShouldBeAsync(200);

        Database.Execute("DELETE FROM auth_user_user_permissions");

        await Http.AskAsync("/model/", Basic("adder"), "POST").ShouldBeAsync(403);
    }

    [Fact]
    public async Task A_permission_is_a_requirement_of_ASP_NET_policies_too()
    {
        var authorization = Server.Get<IAuthorizationService>();
        var http = new DefaultHttpContext { RequestServices = Server.Services };
        http.Request.Method = "GET";

        Assert.True((await authorization.AuthorizeAsync(http.User, http, new IsReadOnly())).Succeeded);
        Assert.False((await authorization.AuthorizeAsync(http.User, http, new IsAdminUser())).Succeeded);
        Assert.True((await authorization.AuthorizeAsync(http.User, http, "Reader")).Succeeded);
        Assert.False((await authorization.AuthorizeAsync(http.User, http, "Staff")).Succeeded);
    }

    [Fact]
    public void A_model_that_is_none_is_refused_when_the_endpoint_is_mapped()
    {
        Assert.Contains("'group' is no model", Assert.Throws<ArgumentException>(() => new DjangoModelPermissions("group")).Message, StringComparison.Ordinal);
    }

    private sealed class NamedAlice : RequestPermission
    {
        public override string Message => "Alice only.";

        public override ValueTask<bool> AllowsAsync(HttpContext http) => new(http.GetUser() is { Username: "alice" });
    }

    private sealed class IsOwner : RequestPermission
    {
        public override string Message => "Not yours.";

        public override ValueTask<bool> AllowsAsync(HttpContext http) => new(true);

        public override ValueTask<bool> AllowsObjectAsync(HttpContext http, object target) => new(http.GetUser()?.Username == (string)target);
    }
}
