using Gatehouse;
using Gatehouse.ParityHost;
using Gatehouse.Server;

// Gatehouse with the /probe/ endpoints of tests/Parity/PROBES.md, to be compared with the real stack. As faithful as it gets, unless
// Gatehouse__Profile in the environment says otherwise.
return await new GatehouseProgram { Configure = options => options.Profile = Profile.Django, Map = Probes.Map, HasStartPage = false }.RunAsync(args);
