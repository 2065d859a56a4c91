using System.Text.Json.Nodes;
using Gatehouse.Tests.Database;
using Xunit;

namespace Gatehouse.Tests.DjangoTwin;

/// <summary>
/// Hashes that one side makes and the other reads; they are text in any database. What the twin's settings make new hashes with is MD5, so that
/// no other test waits for a million rounds: those of Django's defaults are made here.
/// </summary>
[Collection(OnSqlite.Name), Trait(TestDatabase.SqliteOnly, "yes")]
public sealed class PasswordTwinTests(SqliteTwin twin) : TwinTest(twin)
{
    [Theory]
    [InlineData("pbkdf2_sha256")]
    [InlineData("pbkdf2_sha1")]
    [InlineData("argon2")]
    [InlineData("bcrypt_sha256")]
    [InlineData("scrypt")]
    [InlineData("bcrypt")]
    public async Task A_password_hashed_by_Django_is_known_here_and_its_hash_renewed_for_both(string algorithm)
    {
        // Text that has two forms in Unicode, and a blank: passwords are taken as they are.
        var (alice, password) = (Name("alice"), "pässwörd Ⅷ \u00a0end");
        await DjangoAsync("""
            from django.contrib.auth.hashers import make_password
            User.objects.create(username=given[0], password=make_password(given[1], hasher=given[2]))
            """, new[] { alice, password, algorithm });

        Assert.Equal(400, await LoginStatusAsync(Side.Gatehouse, alice, password + " "));
        Assert.Equal(200, await LoginStatusAsync(Side.Gatehouse, alice, password));

        Assert.StartsWith("md5$", (string?)await DjangoAsync("result = User.objects.get(username=given).password", alice), StringComparison.Ordinal);
        Assert.Equal(200, await LoginStatusAsync(Side.Django, alice, password));
    }

    [Theory]
    [InlineData("PBKDF2PasswordHasher")]
    [InlineData("PBKDF2SHA1PasswordHasher")]
    [InlineData("Argon2PasswordHasher")]
    [InlineData("BCryptSHA256PasswordHasher")]
    [InlineData("ScryptPasswordHasher")]
    [InlineData("BCryptPasswordHasher")]
    public async Task A_password_hashed_by_Gatehouse_is_known_to_Django_and_needs_no_renewal(string hasher)
    {
        var alice = await RegisterAsync(Side.Django);
        const string Password = "pässwörd Ⅷ end";
        var settings = Twin.File(hasher + ".json");
        var json = JsonNode.Parse(await File.ReadAllTextAsync(Twin.File("settings.json"), Ct))!;
        json["PASSWORD_HASHERS"] = new JsonArray("django.contrib.auth.hashers." + hasher);
        await File.WriteAllTextAsync(settings, json.ToJsonString(), Ct);

        await Twin.RunAsync(["changepassword", alice], $"{Password}\n{Password}\n", settings);

        var hash = await DjangoAsync("""
            from django.contrib.auth.hashers import check_password, get_hashers, identify_hasher
            encoded = User.objects.get(username=given[0]).password
            hasher = identify_hasher(encoded)
            result = [type(hasher).__name__, check_password(given[1], encoded), hasher.must_update(encoded)]
            """, new[] { alice, Password });
        Assert.Equal($"""["{hasher}",true,false]""", hash!.ToJsonString());
        Assert.Equal(200, await LoginStatusAsync(Side.Django, alice, Password));
    }

    [Theory, MemberData(nameof(EachSide))]
    public async Task A_user_without_a_usable_password_is_let_in_by_neither(Side side)
    {
        var alice = Name("alice");
        await DjangoAsync("user = User(username=given); user.set_unusable_password(); user.save()", alice);

        foreach (var password in new[] { "", "!", TestUsers.PasswordOf(alice) })
            Assert.Equal(400, await LoginStatusAsync(side, alice, password));
    }
}
