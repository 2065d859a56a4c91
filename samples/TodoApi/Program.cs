using Gatehouse;
using Gatehouse.Authentication;
using Gatehouse.AuthTokens;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Permissions;
using Gatehouse.Sessions;
using Gatehouse.Throttling;
using TodoApi;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddSingleton<TodoList>();
builder.Services.AddGatehouse(o => o.Database = "sqlite:///todo.db");

var app = builder.Build();
app.UseGatehouse();
app.MapGatehouse();

// Whoever is signed in has a list: with a session, a password, a token of any kind.
var todos = app.MapGroup("/todos").RequirePermission(new IsAuthenticated()).Throttle(new UserRateThrottle("60/min"));
todos.MapGet("/", (HttpContext http, TodoList list) => list.Of(http.GetUser()!.Username));
todos.MapPost("/", (NewTodo todo, HttpContext http, TodoList list) => Results.Created("/todos/", list.Add(http.GetUser()!.Username, todo.Text)));
todos.MapDelete("/{id}", async (int id, HttpContext http, TodoList list) =>
    list.Find(id) is not { } todo ? Results.NotFound()
    : await http.CheckObjectPermissionsAsync(todo) is { } refusal ? refusal
    : list.Remove(todo)).RequirePermission(new IsAuthenticated(), new IsOwner());

// Other people's programs: by OAuth, with the scope that the user agreed to.
app.MapGet("/feed", (HttpContext http, TodoList list) => list.Of(http.GetUser()!.Username))
    .WithSchemes(typeof(OAuth2ProtectedResourceAuthentication)).RequirePermission(new TokenHasScope("todos:read"));

// Our own people and robots.
app.MapGet("/stats", (TodoList list) => new { todos = list.Count })
    .WithSchemes(typeof(TokenAuthentication), typeof(SessionAuthentication)).RequirePermission(new IsAdminUser());
app.MapDelete("/todos", (TodoList list) => list.Clear()).RequirePermission(new DjangoModelPermissions("todos.todo"))
    .Throttle(new ScopedRateThrottle()).ThrottleScope("clear");

app.Run();
