using Gatehouse.Crypto;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gatehouse.Tests.Crypto;

public sealed class PasswordHashesTests
{
    private static readonly string[] AllDjango = [.. PasswordHashes.Defaults, "bcrypt"];

    public static TheoryData<string, string, bool> RecordedPasswords()
    {
        var rows = new TheoryData<string, string, bool>();
        foreach (var row in PasswordVectors.All.GetProperty("passwords").EnumerateArray())
            rows.Add(row.GetProperty("password").GetString()!, row.GetProperty("encoded").GetString()!, row.GetProperty("must_update").GetBoolean());
        return rows;
    }

    public static TheoryData<string, string> RecordedWrongPasswords()
    {
        var rows = new TheoryData<string, string>();
        foreach (var row in PasswordVectors.All.GetProperty("wrong").EnumerateArray())
            rows.Add(row.GetProperty("password").GetString()!, row.GetProperty("encoded").GetString()!);
        return rows;
    }

    [Theory, MemberData(nameof(RecordedPasswords))]
    public void A_hash_of_Django_is_verified_and_updated_when_Django_would(string password, string encoded, bool mustUpdate)
    {
        var hashes = HashesPreferring(encoded);

        Assert.Equal(new PasswordCheck(true, mustUpdate), hashes.Verify(password, encoded));
    }

    [Theory, MemberData(nameof(RecordedPasswords))]
    public void Another_password_is_wrong(string password, string encoded, bool mustUpdate)
    {
        var hashes = HashesPreferring(encoded);

        Assert.Equal(new PasswordCheck(false, mustUpdate), hashes.Verify(password + "!", encoded));
    }

    [Theory, MemberData(nameof(RecordedPasswords))]
    public void A_changed_hash_is_never_a_match(string password, string encoded, bool mustUpdate)
    {
        var position = encoded.Length - 20;
        var changed = encoded[..position] + (encoded[position] == 'a' ? 'b' : 'a') + encoded[(position + 1)..];

        Assert.Equal(new PasswordCheck(false, mustUpdate), HashesPreferring(encoded).Verify(password, changed));
    }

    [Theory, MemberData(nameof(RecordedWrongPasswords))]
    public void What_is_no_hash_never_matches_and_costs_the_default_work(string password, string encoded)
    {
        var (hashes, preferred) = Counting();

        Assert.Equal(default, hashes.Verify(password, encoded));
        Assert.Equal(1, preferred.Made);
    }

    [Theory]
    [InlineData("admin"), InlineData("zoë"), InlineData("用户"), InlineData("h_sha1"), InlineData("h_argon2"), InlineData("h_bcrypt_sha256")]
    [InlineData("h_bcrypt"), InlineData("h_scrypt"), InlineData("h_few_rounds"), InlineData("spacey")]
    public void A_user_of_the_seed_has_its_password(string username)
    {
        var user = PasswordVectors.Seed.GetProperty("users").EnumerateArray().Single(u => u.GetProperty("username").GetString() == username);
        var stored = user.GetProperty("stored_password").GetString()!;

        Assert.True(HashesPreferring(stored).Verify(user.GetProperty("password").GetString()!, stored).IsCorrect);
    }

    [Theory]
    [InlineData("pbkdf2_sha256", "^pbkdf2_sha256\\$1000000\\$[a-zA-Z0-9]{22}\\$[a-zA-Z0-9+/]{43}=$")]
    [InlineData("pbkdf2_sha1", "^pbkdf2_sha1\\$1000000\\$[a-zA-Z0-9]{22}\\$[a-zA-Z0-9+/]{27}=$")]
    [InlineData("argon2", "^argon2\\$argon2id\\$v=19\\$m=102400,t=2,p=8\\$[a-zA-Z0-9+/]{30}\\$[a-zA-Z0-9+/]{43}$")]
    [InlineData("bcrypt_sha256", "^bcrypt_sha256\\$\\$2b\\$12\\$[./a-zA-Z0-9]{53}$")]
    [InlineData("bcrypt", "^bcrypt\\$\\$2b\\$12\\$[./a-zA-Z0-9]{53}$")]
    [InlineData("scrypt", "^scrypt\\$16384\\$[a-zA-Z0-9]{22}\\$8\\$5\\$[a-zA-Z0-9+/]{86}==$")]
    [InlineData("md5", "^md5\\$[a-zA-Z0-9]{22}\\$[0-9a-f]{32}$")]
    public void A_new_hash_has_the_form_of_Django_and_needs_no_update(string algorithm, string form)
    {
        SkipWithoutLibrary(algorithm);
        var hashes = new PasswordHashes([algorithm]);

        var encoded = hashes.Make("pässword");

        Assert.Matches(form, encoded);
        Assert.Equal(new PasswordCheck(true, false), hashes.Verify("pässword", encoded));
        Assert.NotEqual(encoded, hashes.Make("pässword"));
    }

    [Theory]
    [InlineData("pbkdf2_sha256$2147483648$seasalt1seasalt2$4CsmnMxXW8nyVCIJrTL2+r6R/JWDgbFDPR4j/YSywvA=", "more than 10,000,000 PBKDF2 rounds")]
    [InlineData("pbkdf2_sha256$10000001$seasalt1seasalt2$4CsmnMxXW8nyVCIJrTL2+r6R/JWDgbFDPR4j/YSywvA=", "more than 10,000,000 PBKDF2 rounds")]
    [InlineData("pbkdf2_sha1$99999999999999999999999999$seasalt1seasalt2$85HTgHevRVIoMld4/QDtD8pa9iU=", "more than 10,000,000 PBKDF2 rounds")]
    [InlineData("argon2$argon2id$v=19$m=67108864,t=2,p=8$c2Vhc2FsdDFzZWFzYWx0Mg$gBGAQ2Bv6PyJirZpdzwZ4fgxjlOLI6G9++0/qUoXy1o", "argon2 memory above 1 GiB")]
    [InlineData("argon2$argon2i$v=19$m=8,t=65,p=1$c2Vhc2FsdDFzZWFzYWx0Mg$gBGAQ2Bv6PyJirZpdzwZ4fgxjlOLI6G9++0/qUoXy1o", "argon2 t above 64")]
    [InlineData("argon2$argon2id$v=19$m=102400,t=2,p=65$c2Vhc2FsdDFzZWFzYWx0Mg$gBGAQ2Bv6PyJirZpdzwZ4fgxjlOLI6G9++0/qUoXy1o", "argon2 p above 64")]
    [InlineData("scrypt$1073741824$salt$8$5$AAAA", "scrypt N above 2^20")]
    [InlineData("scrypt$1048576$salt$9$1$AAAA", "scrypt memory above 1 GiB")]
    [InlineData("scrypt$16384$salt$9223372036854775807$1$AAAA", "scrypt memory above 1 GiB")]
    [InlineData("scrypt$16384$salt$8$65$AAAA", "scrypt p above 64")]
    [InlineData("scrypt$16383$salt$8$5$AAAA", "scrypt N that is not a power of two")]
    [InlineData("bcrypt_sha256$$2b$19$abcdefghijklmnopqrstuuVrQ4zCyEDfwKOXCre954in7jn/y/.ua", "bcrypt cost above 16")]
    [InlineData("bcrypt$$2b$31$abcdefghijklmnopqrstuupd4kvGe1RE7cUAJBlAgNLjj8dnLUqIu", "bcrypt cost above 16")]
    public void A_hash_that_asks_for_too_much_work_costs_no_more_than_an_unknown_user_and_is_logged_once(string encoded, string reason)
    {
        var log = new LogList();
        var (hashes, preferred) = Counting(log);

        var checks = new[] { hashes.Verify("x", encoded, userId: "7"), hashes.Verify("x", encoded, userId: "7") };

        Assert.All(checks, check => Assert.Equal(default, check));
        Assert.Equal(2, preferred.Made);
        Assert.Equal([$"The stored password of user 7 is not verified: {reason}. It has to be set again"], log.Messages);
    }

    [Fact]
    public void A_hash_longer_than_any_real_one_costs_no_more_than_an_unknown_user()
    {
        var log = new LogList();
        var (hashes, preferred) = Counting(log);

        var check = hashes.Verify("x", $"pbkdf2_sha256$1000${new string('s', 500)}$AAAA");

        Assert.Equal(default, check);
        Assert.Equal(1, preferred.Made);
        Assert.Contains("longer than 512 characters", Assert.Single(log.Messages), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pbkdf2_sha256"), InlineData("pbkdf2_sha256$"), InlineData("pbkdf2_sha256$$$"), InlineData("pbkdf2_sha256$0$salt$AAAA")]
    [InlineData("pbkdf2_sha256$-1$salt$AAAA"), InlineData("pbkdf2_sha256$ 10$salt$AAAA"), InlineData("pbkdf2_sha256$1e3$salt$AAAA")]
    [InlineData("pbkdf2_sha256$١$salt$AAAA"), InlineData("pbkdf2_sha256$010$salt$AAAA"), InlineData("pbkdf2_sha256$1000$$AAAA")]
    [InlineData("argon2"), InlineData("argon2$"), InlineData("argon2$argon2id"), InlineData("argon2$argon2x$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA")]
    [InlineData("argon2$argon2id$v=20$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA"), InlineData("argon2$argon2id$v=19$t=1,m=8,p=1$c2FsdHNhbHQ$AAAA")]
    [InlineData("argon2$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$A\0AA"), InlineData("argon2$argon2id$v=19$m=8,t=1,p=1,x=2$c2FsdHNhbHQ$AAAA")]
    [InlineData("bcrypt"), InlineData("bcrypt$"), InlineData("bcrypt$$2b$12"), InlineData("bcrypt$$2x$12$abcdefghijklmnopqrstuupd4kvGe1RE7cUAJBlAgNLjj8dnLUqIu")]
    [InlineData("bcrypt$$2b$03$abcdefghijklmnopqrstuupd4kvGe1RE7cUAJBlAgNLjj8dnLUqIu"), InlineData("bcrypt$$2b$12$abcdefghijklmnopqrstuupd4kvGe1RE7cUAJBlAgNLjj8dnLUqI\0")]
    [InlineData("bcrypt_sha256$$2b$1x$abcdefghijklmnopqrstuuVrQ4zCyEDfwKOXCre954in7jn/y/.ua"), InlineData("bcrypt_sha256$$1$$")]
    [InlineData("scrypt"), InlineData("scrypt$"), InlineData("scrypt$0$salt$8$5$AAAA"), InlineData("scrypt$1$salt$8$5$AAAA"), InlineData("scrypt$16384$salt$0$5$AAAA")]
    [InlineData("scrypt$16384$salt$8$-5$AAAA"), InlineData("scrypt$16384$$8$5$AAAA"), InlineData("scrypt$16384$salt$8$5$AAAA$")]
    [InlineData("md5$"), InlineData("md5$$64fc590494bfd756dd3689cdbcb869d9"), InlineData("!"), InlineData("$"), InlineData("$$$$"), InlineData("\ud800$\udfff")]
    public void A_malformed_hash_never_matches_and_never_throws(string encoded)
    {
        var log = new LogList();
        var (hashes, preferred) = Counting(log);

        Assert.Equal(default, hashes.Verify("x", encoded));
        Assert.Equal(1, preferred.Made);
        Assert.Empty(log.Messages);
    }

    [Fact]
    public void Argon2_refuses_what_only_the_library_finds_wrong()
    {
        SkipWithoutLibrary("argon2");

        // A salt below 8 bytes, and memory below 8 blocks for each lane.
        Assert.False(new Argon2().Verify("x", "argon2$argon2id$v=19$m=8,t=1,p=1$c2Fs$AAAAAAAA"));
        Assert.False(new Argon2().Verify("x", "argon2$argon2id$v=19$m=8,t=1,p=64$c2FsdHNhbHQ$AAAAAAAA"));
    }

    [Fact]
    public void Md5_is_verified_only_when_it_is_listed()
    {
        var encoded = new Md5().Make("hash-pass", "saltsalt");

        Assert.Equal(default, new PasswordHashes([new Pbkdf2Sha256(rounds: 1)], logger: null).Verify("hash-pass", encoded));
        Assert.Equal(new PasswordCheck(true, true), new PasswordHashes(["pbkdf2_sha256", "md5"]).Verify("hash-pass", encoded));
        Assert.DoesNotContain("md5", PasswordHashes.Defaults);
    }

    [Fact]
    public void A_hash_of_another_format_than_the_first_must_be_updated()
    {
        var encoded = new Pbkdf2Sha1(rounds: 1000).Make("x", "seasalt1seasalt2seasal");

        Assert.Equal(new PasswordCheck(true, true), new PasswordHashes().Verify("x", encoded));
    }

    [Fact]
    public void A_wrong_password_against_fewer_rounds_takes_the_rounds_of_today()
    {
        var preferred = new CountingHash { Update = true };
        var hashes = new PasswordHashes([preferred], logger: null);

        hashes.Verify("right", "counting$right");
        Assert.Equal(0, preferred.Hardened);
        hashes.Verify("wrong", "counting$right");
        Assert.Equal(1, preferred.Hardened);
    }

    [Fact]
    public void A_password_that_is_too_long_is_refused_before_any_hashing()
    {
        var (hashes, preferred) = Counting();
        var tooLong = new string('x', 4097);

        Assert.Equal(default, hashes.Verify(tooLong, "counting$" + tooLong));
        hashes.SpendWork(tooLong);
        Assert.Throws<ArgumentException>(() => hashes.Make(tooLong));
        Assert.Equal(0, preferred.Made);
    }

    [Fact]
    public void A_user_that_does_not_exist_costs_one_hash()
    {
        var (hashes, preferred) = Counting();

        hashes.SpendWork("anything");

        Assert.Equal(1, preferred.Made);
    }

    [Theory]
    [InlineData("pbkdf2_sha256"), InlineData("argon2"), InlineData("bcrypt_sha256"), InlineData("bcrypt"), InlineData("scrypt"), InlineData("md5")]
    public void Lone_surrogates_and_empty_passwords_do_not_throw(string algorithm)
    {
        SkipWithoutLibrary(algorithm);
        var hashes = new PasswordHashes([algorithm]);

        Assert.True(hashes.Verify("a\ud800", hashes.Make("a\ud800")).IsCorrect);
        Assert.True(hashes.Verify("", hashes.Make("")).IsCorrect);
    }

    [Fact]
    public void Bcrypt_looks_at_72_bytes_and_never_past_a_nul()
    {
        SkipWithoutLibrary("bcrypt");
        const string seventyTwo = "äbcdefghijäbcdefghijäbcdefghijäbcdefghijäbcdefghijäbcdefghijabcdef";
        const string salt = "$2b$04$abcdefghijklmnopqrstuu";
        var bcrypt = new Bcrypt();

        Assert.True(bcrypt.Verify(seventyTwo + "x", bcrypt.Make(seventyTwo + "y", salt)));
        Assert.False(bcrypt.Verify(seventyTwo[..^1] + "x", bcrypt.Make(seventyTwo, salt)));
        Assert.False(bcrypt.Verify("short\0and more", bcrypt.Make("short", salt)));
        Assert.Throws<ArgumentException>(() => bcrypt.Make("short\0", salt));
    }

    [Fact]
    public void Bcrypt_over_SHA256_looks_at_the_whole_password()
    {
        SkipWithoutLibrary("bcrypt_sha256");
        var bcrypt = new BcryptSha256();
        var encoded = bcrypt.Make(new string('a', 100) + "\0x", "$2b$04$abcdefghijklmnopqrstuu");

        Assert.True(bcrypt.Verify(new string('a', 100) + "\0x", encoded));
        Assert.False(bcrypt.Verify(new string('a', 100) + "\0y", encoded));
    }

    [Theory]
    // Made by python3-bcrypt 3.2.2 and python3-argon2 21.1.0.
    [InlineData("pässwörd", "bcrypt$$2a$05$abcdefghijklmnopqrstuuZVEMa1pjhlynBQ1qXmSvGBJpN9h1w8G")]
    [InlineData("pässwörd", "bcrypt$$2b$05$abcdefghijklmnopqrstuuZVEMa1pjhlynBQ1qXmSvGBJpN9h1w8G")]
    [InlineData("pässwörd", "bcrypt$$2y$05$abcdefghijklmnopqrstuuZVEMa1pjhlynBQ1qXmSvGBJpN9h1w8G")]
    [InlineData("éééééééééééééééééééééééééééééééééééz", "bcrypt$$2b$04$abcdefghijklmnopqrstuu0c1d6UmpnJbb617KQG2Ndn97QGEtMYO")]
    [InlineData("pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp", "bcrypt_sha256$$2b$04$......................skN2Tin6X2b4hvccFKMuPWKADf7K6PW")]
    [InlineData("pässwörd", "argon2$argon2i$v=19$m=64,t=2,p=2$c2Vhc2FsdDE$UqHeDm6REE6k88i6BoYCISYJWh16WdLq")]
    [InlineData("pässwörd", "argon2$argon2d$v=19$m=64,t=2,p=2$c2Vhc2FsdDE$CK1DPMjEcVEaYpOqS8jFr5cHzKrVQA4p")]
    [InlineData("pässwörd", "argon2$argon2id$v=19$m=64,t=2,p=2$c2Vhc2FsdDE$+ocHrXYWURC8YlzNC4Hcb6vcu0lL0WGY")]
    [InlineData("pässwörd", "argon2$argon2i$v=16$m=64,t=2,p=2$c2Vhc2FsdDE$5nZ8tfm7dRQQtxV5ZoNt+SBB4RBMaj0n")]
    [InlineData("pässwörd", "argon2$argon2i$m=64,t=2,p=2$c2Vhc2FsdDE$5nZ8tfm7dRQQtxV5ZoNt+SBB4RBMaj0n")]
    public void A_hash_of_another_library_is_verified(string password, string encoded)
    {
        var hashes = HashesPreferring(encoded);

        Assert.True(hashes.Verify(password, encoded).IsCorrect);
        Assert.False(hashes.Verify(password + "x", encoded).IsCorrect);
    }

    [Fact]
    public void A_missing_library_fails_its_hashes_is_named_once_and_costs_the_same()
    {
        var log = new LogList();
        var preferred = new CountingHash();
        var hashes = new PasswordHashes([preferred, new Argon2("libnothing.so.9"), new Bcrypt("libnothing.so.9")], log);
        const string argon2 = "argon2$argon2id$v=19$m=102400,t=2,p=8$c2Vhc2FsdDFzZWFzYWx0Mg$gBGAQ2Bv6PyJirZpdzwZ4fgxjlOLI6G9++0/qUoXy1o";
        const string bcrypt = "bcrypt$$2b$12$abcdefghijklmnopqrstuupd4kvGe1RE7cUAJBlAgNLjj8dnLUqIu";

        foreach (var encoded in (string[])[argon2, argon2, bcrypt]) Assert.Equal(default, hashes.Verify("lètmein", encoded));

        Assert.Equal(3, preferred.Made);
        Assert.Equal(
            [
                "Stored passwords of the format argon2 cannot be verified: libnothing.so.9 is missing. Install it",
                "Stored passwords of the format bcrypt cannot be verified: libcrypt.so.1 (libxcrypt) is missing. Install it",
            ],
            log.Messages);
        Assert.False(new Argon2("libnothing.so.9").Verify("lètmein", argon2));
        Assert.False(new Bcrypt("libnothing.so.9").Verify("lètmein", bcrypt));
    }

    [Fact]
    public void New_passwords_cannot_be_made_with_a_missing_library()
    {
        var error = Assert.Throws<ArgumentException>(() => new PasswordHashes([new Argon2("libnothing.so.9")], logger: null));

        Assert.Contains("argon2, which needs libnothing.so.9", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("django.contrib.auth.hashers.PBKDF2PasswordHasher", "pbkdf2_sha256")]
    [InlineData("django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher", "pbkdf2_sha1")]
    [InlineData("django.contrib.auth.hashers.Argon2PasswordHasher", "argon2")]
    [InlineData("django.contrib.auth.hashers.BCryptSHA256PasswordHasher", "bcrypt_sha256")]
    [InlineData("django.contrib.auth.hashers.BCryptPasswordHasher", "bcrypt")]
    [InlineData("django.contrib.auth.hashers.ScryptPasswordHasher", "scrypt")]
    [InlineData("django.contrib.auth.hashers.MD5PasswordHasher", "md5")]
    [InlineData("scrypt", "scrypt")]
    public void Django_class_paths_and_names_of_formats_are_understood(string name, string algorithm)
    {
        Assert.True(PasswordHashes.TryResolve(name, out var resolved));
        Assert.Equal(algorithm, resolved);
    }

    [Fact]
    public void An_unknown_name_is_refused_with_what_can_be_written()
    {
        var error = Assert.Throws<ArgumentException>(() => new PasswordHashes(["django.contrib.auth.hashers.CryptPasswordHasher"]));

        Assert.StartsWith("The password hash 'django.contrib.auth.hashers.CryptPasswordHasher' is not known. Write one of argon2, ", error.Message, StringComparison.Ordinal);
        Assert.Contains("PBKDF2PasswordHasher", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new PasswordHashes([]));
    }

    [Fact]
    public void An_unusable_password_is_an_exclamation_mark_and_40_characters()
    {
        var unusable = PasswordHashes.MakeUnusable();

        Assert.Matches("^![a-zA-Z0-9]{40}$", unusable);
        Assert.False(PasswordHashes.IsUsable(unusable));
        Assert.True(PasswordHashes.IsUsable(""));
    }

    // Every format is accepted, and the one of the hash is the first, so that only its own work and salt decide about the update.
    private static PasswordHashes HashesPreferring(string encoded)
    {
        var algorithm = encoded.Split('$')[0];
        SkipWithoutLibrary(algorithm);
        return new([algorithm, .. AllDjango.Except([algorithm])]);
    }

    private static void SkipWithoutLibrary(string algorithm)
    {
        var missing = algorithm switch
        {
            "argon2" => new Argon2().MissingLibrary,
            "bcrypt" or "bcrypt_sha256" => new Bcrypt().MissingLibrary,
            "scrypt" => new Scrypt().MissingLibrary,
            _ => null,
        };
        if (missing is not null) Assert.Skip($"{missing} is not installed.");
    }

    private static (PasswordHashes Hashes, CountingHash Preferred) Counting(ILogger? log = null)
    {
        var preferred = new CountingHash();
        PasswordHash[] hashes = [preferred, new Pbkdf2Sha256(), new Pbkdf2Sha1(), new Argon2(), new BcryptSha256(), new Bcrypt(), new Scrypt()];
        return (new PasswordHashes(hashes, log), preferred);
    }

    private sealed class CountingHash : PasswordHash
    {
        public int Made { get; private set; }

        public int Hardened { get; private set; }

        public bool Update { get; init; }

        public override string Algorithm => "counting";

        public override string Make(string password, string salt) => $"counting${password}{Made++}";

        public override bool Verify(string password, string encoded) => encoded == "counting$" + password;

        public override bool MustUpdate(string encoded) => Update;

        public override void HardenRuntime(string password, string encoded) => Hardened++;

        public override string? Refuse(string encoded) => null;
    }

    private sealed class LogList : ILogger
    {
        public List<string> Messages { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Messages.Add(formatter(state, exception));
    }
}
