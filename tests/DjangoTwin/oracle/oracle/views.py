"""The views of Parity's README.md and PROBES.md. Class names are told by OPTIONS: do not rename."""
from django.contrib.auth import authenticate, get_user_model, login, logout
from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.auth.models import Group
from django.http import JsonResponse
from django.middleware.csrf import get_token
from oauth2_provider.contrib.rest_framework import (
    IsAuthenticatedOrTokenHasScope,
    OAuth2Authentication,
    TokenHasReadWriteScope,
    TokenHasResourceScope,
    TokenHasScope,
    TokenMatchesOASRequirements,
)
from oauth2_provider.decorators import protected_resource, rw_protected_resource
from rest_framework import generics
from rest_framework.authentication import BasicAuthentication, SessionAuthentication, TokenAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import (
    AllowAny,
    BasePermission,
    DjangoModelPermissions,
    DjangoModelPermissionsOrAnonReadOnly,
    IsAdminUser,
    IsAuthenticated,
    IsAuthenticatedOrReadOnly,
)
from rest_framework.response import Response
from rest_framework.throttling import AnonRateThrottle, ScopedRateThrottle, UserRateThrottle
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication, JWTStatelessUserAuthentication

from .serializers import RegisterSerializer, UserSerializer

SCHEMES = {
    "session": SessionAuthentication,
    "basic": BasicAuthentication,
    "token": TokenAuthentication,
    "jwt": JWTAuthentication,
    "oauth": OAuth2Authentication,
    "jwtstateless": JWTStatelessUserAuthentication,
}


# --- accounts ---------------------------------------------------------------------------------------
class Register(generics.CreateAPIView):
    serializer_class = RegisterSerializer
    permission_classes = [AllowAny]


class Profile(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response(UserSerializer(request.user).data)


class Login(APIView):
    permission_classes = [AllowAny]

    def post(self, request):
        user = authenticate(request, username=request.data.get("username"), password=request.data.get("password"))
        if user is None:
            return Response({"error": "Invalid credentials"}, status=400)
        login(request, user)
        return Response({"message": "Login successful"})


class Logout(APIView):
    permission_classes = [IsAuthenticated]

    def post(self, request):
        logout(request)
        return Response({"message": "Logged out successfully"})


class Users(generics.ListAPIView):
    queryset = get_user_model().objects.order_by("id")
    serializer_class = UserSerializer
    permission_classes = [IsAdminUser]


# --- who --------------------------------------------------------------------------------------------
def who(request):
    user, scheme = request.user, request.successful_authenticator
    return {
        "user": None if user is None else user.get_username() if hasattr(user, "get_username") else user.username,
        "user_id": None if user is None else user.pk,
        "user_class": None if user is None else user.__class__.__name__,  # the class behind the lazy object
        "authenticated": bool(user and user.is_authenticated),
        "is_staff": bool(user and user.is_staff),
        "auth": None if request.auth is None else type(request.auth).__name__,
        "scheme": None if scheme is None else type(scheme).__name__,
    }


class Echo(APIView):
    """GET and the write methods all answer with who the request was taken to be."""

    authentication_classes = [
        TokenAuthentication, BasicAuthentication, SessionAuthentication, JWTAuthentication, OAuth2Authentication,
    ]
    permission_classes = [AllowAny]

    def get(self, request, *args, **kwargs):
        return Response(who(request))

    post = put = patch = delete = get


class Scheme(Echo):
    permission_classes = [IsAuthenticated]

    def get_authenticators(self):
        return [SCHEMES[name]() for name in self.kwargs["names"].split("-")]


class Open(Scheme):
    permission_classes = [AllowAny]


# --- permissions ------------------------------------------------------------------------------------
class SeedIsAdmin(BasePermission):
    def has_permission(self, request, view):
        return request.user and request.user.is_staff


class Permitted(Echo):
    authentication_classes = [TokenAuthentication, BasicAuthentication]
    queryset = Group.objects.all()


PERMISSIONS = {
    "allow-any": [AllowAny],
    "is-authenticated": [IsAuthenticated],
    "is-admin": [IsAdminUser],
    "authenticated-or-read-only": [IsAuthenticatedOrReadOnly],
    "seed-is-admin": [SeedIsAdmin],
    "model": [DjangoModelPermissions],
    "model-or-anon-read-only": [DjangoModelPermissionsOrAnonReadOnly],
    "admin-and-model": [IsAdminUser & DjangoModelPermissions],
    "admin-or-read-only": [IsAdminUser | IsAuthenticatedOrReadOnly],
    "not-admin": [IsAuthenticated & ~IsAdminUser],
}


# --- OAuth2 scopes ----------------------------------------------------------------------------------
class Scoped(Echo):
    authentication_classes = [OAuth2Authentication]
    required_scopes = []
    required_alternate_scopes = {}


SCOPES = {
    "read": {"permission_classes": [TokenHasScope], "required_scopes": ["read"]},
    "groups": {"permission_classes": [TokenHasScope], "required_scopes": ["groups:read", "groups:write"]},
    "read-write": {"permission_classes": [TokenHasReadWriteScope]},
    "read-write-plus": {"permission_classes": [TokenHasReadWriteScope], "required_scopes": ["groups:read"]},
    "resource": {"permission_classes": [TokenHasResourceScope], "required_scopes": ["groups"]},
    "oas": {
        "permission_classes": [TokenMatchesOASRequirements],
        "required_alternate_scopes": {
            "GET": [["read"], ["groups:read", "introspection"]],
            "POST": [["write", "groups:write"]],
        },
    },
    "any-or-read": {
        "authentication_classes": Echo.authentication_classes,
        "permission_classes": [IsAuthenticatedOrTokenHasScope],
        "required_scopes": ["read"],
    },
    "jwt-first": {
        "authentication_classes": [JWTAuthentication],
        "permission_classes": [TokenHasScope],
        "required_scopes": ["read"],
    },
}


# --- throttles --------------------------------------------------------------------------------------
class Throttled(Echo):
    authentication_classes = [TokenAuthentication, BasicAuthentication]
    throttle_scope = None


class HourlyAnonThrottle(AnonRateThrottle):
    rate = "2/hour"


class TwoAMinuteUserThrottle(UserRateThrottle):
    rate = "2/min"


THROTTLES = {
    "anon": {"throttle_classes": [AnonRateThrottle]},
    "user": {"throttle_classes": [UserRateThrottle]},
    "scoped": {"throttle_classes": [ScopedRateThrottle], "throttle_scope": "uploads"},
    "scoped-twin": {"throttle_classes": [ScopedRateThrottle], "throttle_scope": "uploads"},
    "scoped-daily": {"throttle_classes": [ScopedRateThrottle], "throttle_scope": "daily"},
    "unscoped": {"throttle_classes": [ScopedRateThrottle]},
    "hourly": {"throttle_classes": [HourlyAnonThrottle]},
    "both": {"throttle_classes": [AnonRateThrottle, TwoAMinuteUserThrottle]},
    "guarded": {"throttle_classes": [AnonRateThrottle], "permission_classes": [IsAuthenticated]},
}


# --- the seeds' own views ---------------------------------------------------------------------------
@api_view(["GET"])
@permission_classes([IsAuthenticated])
def secure_api(request):
    return Response({"message": "You are authenticated"})


@api_view(["GET"])
@permission_classes([IsAdminUser])
def admin_only(request):
    return Response({"message": "Admin Access Only"})


class MyToken(APIView):
    authentication_classes = [TokenAuthentication]
    permission_classes = [AllowAny]

    def get(self, request):
        return Response({"message": "Hello, token user!"})


class MyJwt(APIView):
    authentication_classes = [JWTAuthentication]
    permission_classes = [AllowAny]

    def get(self, request):
        return Response({"message": "Hello, JWT user!"})


class HelloToken(APIView):
    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"message": f"Hello, {request.user.username}! You are authenticated with Token."})


@api_view(["GET", "POST"])
@authentication_classes([TokenAuthentication, BasicAuthentication])
@permission_classes([AllowAny])
def add_data(request):
    return Response()


class Parse(APIView):
    authentication_classes = []
    permission_classes = []

    def post(self, request):
        return Response({"type": type(request.data).__name__, "data": request.data})

    put = patch = post


# --- plain Django views -----------------------------------------------------------------------------
def csrf(request):
    return JsonResponse({"csrftoken": get_token(request)})


def plain(request):
    return JsonResponse({"method": request.method, "user": request.user.get_username()})


@login_required
def needs_login(request):
    return JsonResponse({"user": request.user.get_username()})


@permission_required("auth.add_group", raise_exception=True)
def needs_perm(request):
    return JsonResponse({"user": request.user.get_username()})


@protected_resource(scopes=["read"])
def plain_protected(request):
    return JsonResponse({"user": request.resource_owner.get_username() if request.resource_owner else None})


@rw_protected_resource(scopes=["groups:read"])
def plain_rw_protected(request):
    return JsonResponse({"user": request.resource_owner.get_username() if request.resource_owner else None})


def session(request):
    return JsonResponse({"user": request.user.get_username(), "keys": sorted(request.session.keys())})


def session_set(request):
    request.session["colour"] = request.GET.get("colour", "green")
    return JsonResponse({"ok": True})
