using Gatehouse;
using Gatehouse.ParityHost;
using Gatehouse.Server;

// Gatehouse with the /probe/ endpoints of tests/Parity/PROBES.md, to be compared with the real stack. As faithful as it gets, unless
// Gatehouse__Profile in the environment says otherwise.
var program = new GatehouseProgram { Configure = Configure, Map = Probes.Map, HasStartPage = false };
return args is ["obey"] ? await Obey.RunAsync(program) : await program.RunAsync(args);

static void Configure(GatehouseOptions options)
{
    options.Profile = Profile.Django;
    // What is Python code in the real stack's settings.
    options.OAuth.PkceRequiredFor = client => !client.StartsWith("nopkce-", StringComparison.Ordinal);
    options.OAuth.AdditionalClaims = claims =>
    {
        claims["preferred_username"] = claims.User.Username;
        claims["given_name"] = claims.User.FirstName;
        claims["family_name"] = claims.User.LastName;
        claims["email"] = claims.User.Email;
    };
    options.OAuth.AdditionalClaimNames = ["preferred_username", "given_name", "family_name", "email"];
}
