using Gatehouse.Server;

return await new GatehouseProgram().RunAsync(args);
